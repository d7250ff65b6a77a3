"""What a scrape tells about itself."""

from __future__ import annotations

from typing import Final

from ..catalogue import CATALOGUE
from .families import Family, Series, Shape

_DURATION = "gunicorn_exporter_scrape_duration_seconds"
_SERIES = "gunicorn_exporter_series"
_UNREADABLE = "gunicorn_exporter_unreadable_segments"
_STORAGE = "gunicorn_exporter_storage_bytes"


def _shape(name: str) -> Shape:
    family = CATALOGUE[name]
    return Shape(name, family.kind, family.help, family.unit, (Series(name, ()),))


_SHAPES = {name: _shape(name) for name in (_DURATION, _SERIES, _UNREADABLE, _STORAGE)}
OWN: Final = frozenset(_SHAPES)


def own_families(*, duration: float, unreadable: int, size: int) -> list[Family]:
    """All but the number of samples. ``duration`` is that of the previous scrape, in seconds; ``size`` in bytes."""
    values = {_DURATION: duration, _SERIES: 0.0, _UNREADABLE: float(unreadable), _STORAGE: float(size)}
    return [Family(_SHAPES[name], (value,)) for name, value in values.items()]


def counted(families: list[Family]) -> list[Family]:
    """``families`` with the number of their samples, if that is among them."""
    total = float(sum(len(family.values) for family in families))
    shape = _SHAPES[_SERIES]
    return [Family(shape, (total,)) if family.shape is shape else family for family in families]
