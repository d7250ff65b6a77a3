"""Exemplars from storage to the lines of an OpenMetrics exposition."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from prometheus_client.utils import floatToGoString

from ..storage.exemplars import Exemplar, exemplars_in
from .entries import Key, parse_key
from .families import Family, Series, Shape
from .naming import Naming
from .source import UnreadableSegment

_MOST_KEYS = 50_000
_KIND = "histogram"
_LATEST = 1e12

Marks = Mapping[str, Mapping[int, str]]
"""By family, what to write behind the value of its lines, by their number."""


class Exemplars:
    """Finds, for the lines of families, the newest exemplar of each bucket."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._keys: dict[bytes, Key | None] = {}
        self._positions: WeakKeyDictionary[Shape, dict[Series, int]] = WeakKeyDictionary()

    def marks(self, areas: Iterable[bytes], families: Iterable[Family]) -> Marks:
        """What of ``areas`` belongs to ``families``. An exemplar that lies outside of its bucket belongs to none."""
        newest: dict[str, dict[Series, Exemplar]] = {}
        for area in areas:
            for exemplar in exemplars_in(area):
                key = self._key(exemplar.key)
                if key is None or not _is_sound(exemplar, key):
                    continue
                found = newest.setdefault(key.family, {})
                series = Series(key.sample, key.labels)
                if series not in found or found[series].time < exemplar.time:
                    found[series] = exemplar
        shapes = {family.shape.name: family.shape for family in families} if newest else {}
        return {name: self._on(shapes[name], found) for name, found in newest.items() if name in shapes}

    def _on(self, shape: Shape, found: Mapping[Series, Exemplar]) -> dict[int, str]:
        positions = self._positions.get(shape)
        if positions is None:
            positions = self._positions[shape] = {series: index for index, series in enumerate(shape.series)}
        return {positions[series]: _text(exemplar) for series, exemplar in found.items() if series in positions}

    def _key(self, raw: bytes) -> Key | None:
        if raw not in self._keys:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            try:
                key = parse_key(_KIND, raw)
            except UnreadableSegment:
                self._keys[raw] = None
            else:
                self._keys[raw] = self._naming.shown(key, _KIND) if key.bound is not None else None
        return self._keys[raw]


def _is_sound(exemplar: Exemplar, key: Key) -> bool:
    fits = key.bound is not None and 0.0 <= exemplar.value <= min(key.bound, sys.float_info.max)
    return fits and 0.0 < exemplar.time < _LATEST


def _text(exemplar: Exemplar) -> str:
    trace, span = exemplar.trace
    labels = f'trace_id="{trace.hex()}",span_id="{span.hex()}"'
    return f" # {{{labels}}} {floatToGoString(exemplar.value)} {exemplar.time:.3f}"
