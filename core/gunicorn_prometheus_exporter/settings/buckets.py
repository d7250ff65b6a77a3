"""Buckets that a user chooses: how they are written, and for which families."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..catalogue import BY_WORKER, CATALOGUE, Family
from .kinds import Kind, Mistake, Raw
from .spelling import nearest

_MOST: Final = 40
_NUMBER: Final = re.compile(r"[0-9]{0,18}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,3})?")
_SETTABLE: Final = {
    family.name: family for family in CATALOGUE.values() if family.kind == "histogram" and family.name not in BY_WORKER
}


@dataclass(frozen=True, slots=True)
class Buckets:
    """The upper bounds of a histogram, rising, without ``+Inf``, in the unit of the family."""

    family: str
    bounds: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.family}={' '.join(map(_written, self.bounds))}"


def _written(bound: float) -> str:
    return str(int(bound)) if bound.is_integer() else repr(bound)


def _parse(raw: Raw) -> tuple[Buckets, ...]:
    if isinstance(raw, str):
        raw = _from_text(raw)
    if not isinstance(raw, dict):
        raise TypeError
    if not raw:
        raise ValueError
    return tuple(Buckets(_family(name).name, _bounds(bounds)) for name, bounds in sorted(raw.items()))


def _from_text(text: str) -> dict[str, list[str]]:
    """``name=0.1 0.5, other=1 2``; what follows a comma may also be one more bound."""
    found: dict[str, list[str]] = {}
    bounds: list[str] | None = None
    for word in re.sub(r"\s*=\s*", "= ", text).replace(",", " ").split():
        if word.endswith("="):
            bounds = found.setdefault(word[:-1], [])
            if bounds:
                raise Mistake(f"{word[:-1]!r} is there twice")
        elif bounds is None:
            raise ValueError
        else:
            bounds.append(word)
    return found


def _family(name: str) -> Family:
    if name in _SETTABLE:
        return _SETTABLE[name]
    if name in BY_WORKER:
        raise Mistake(f"{name} is derived from {BY_WORKER[name]}, and has those of its own bounds that this one has")
    if name.removesuffix("_total") in CATALOGUE:
        raise Mistake(f"{name} is no histogram, so it has no buckets")
    close = nearest(name, _SETTABLE)
    known = f"did you mean {close}?" if close else f"there are {', '.join(sorted(_SETTABLE))}"
    raise Mistake(f"there is no histogram {name[:80]!r}; {known}")


def _bounds(raw: Any) -> tuple[float, ...]:
    words = raw.replace(",", " ").split() if isinstance(raw, str) else raw
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError
    if words and words[-1] in {"+Inf", "inf", ".inf"}:
        words = words[:-1]
    if not all(_NUMBER.fullmatch(word) and word[:1] not in {"", "e", "E"} for word in words):
        raise ValueError
    bounds = tuple(map(float, words))
    rising = all(low < high for low, high in zip((0.0, *bounds), (*bounds, math.inf), strict=True))
    if not 0 < len(bounds) <= _MOST or not rising:
        raise ValueError
    return bounds


_LIST: Final[Mapping[str, Any]] = {
    "type": ["array", "string", "number"],
    "items": {"type": ["number", "string"]},
    "minItems": 1,
    "maxItems": _MOST + 1,
}
BUCKETS: Final = Kind(
    f"histograms with 1 to {_MOST} rising upper bounds above 0 each, as a mapping or as name=0.1 0.5 1 "
    "separated by commas",
    _parse,
    {
        "type": ["object", "string"],
        "pattern": "=",
        "minProperties": 1,
        "properties": dict.fromkeys(sorted(_SETTABLE), _LIST),
        "additionalProperties": False,
    },
)
