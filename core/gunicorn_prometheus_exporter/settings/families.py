"""Families that a user switches off: how they are written, and what else goes with each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..catalogue import BY_WORKER, CATALOGUE
from .kinds import Kind, Mistake, Raw, words
from .spelling import nearest

_MOST: Final = 100
_DERIVED: Final = {
    **{recorded: (derived,) for derived, recorded in BY_WORKER.items()},
    "gunicorn_http_requests": ("gunicorn_worker_requests",),
    "gunicorn_http_exceptions": ("gunicorn_worker_failed_requests", "gunicorn_worker_error_handling"),
}
"""What cannot be worked out any more without a family."""


def _parse(raw: Raw) -> tuple[str, ...]:
    chosen = {family for word in words(raw, _MOST) for family in _named(word)}
    chosen |= {derived for family in chosen for derived in _DERIVED.get(family, ())}
    return tuple(family for family in CATALOGUE if family in chosen)


def _named(word: str) -> Iterator[str]:
    name = word.removesuffix("_total")
    if name in CATALOGUE:
        yield name
        return
    start, star, rest = word.partition("*")
    found = [family for family in CATALOGUE if family.startswith(start)] if star and not rest and start else []
    if not found:
        close = nearest(start if star else name, CATALOGUE)
        hint = f"; did you mean {close}?" if close else ""
        raise Mistake(f"there is no family {word[:80]!r}{hint}")
    yield from found


FAMILIES: Final = Kind(
    f"up to {_MOST} families of the exporter, a * at the end stands for any, as a list or separated by commas",
    _parse,
    {"type": ["array", "string"], "items": {"type": "string"}},
)
