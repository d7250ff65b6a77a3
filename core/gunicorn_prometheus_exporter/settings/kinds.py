"""The kinds of values that settings have: what they accept, and how that is said in an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Kind:
    """How a raw value becomes a setting's value. ``parse`` raises ValueError or TypeError for anything else."""

    allowed: str
    parse: Callable[[Any], Any]


def integer(low: int, high: int) -> Kind:
    def parse(raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise TypeError
        value = int(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low} to {high}", parse)


def _parse_boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _parse_text(raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise TypeError
    return str(raw)


def _parse_methods(raw: Any) -> tuple[str, ...]:
    words = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(words, list | tuple) or not words or len(words) > 32:
        raise ValueError
    methods = tuple(str(word).strip() for word in words)
    if not all(method.isascii() and method.isidentifier() and len(method) <= 24 for method in methods):
        raise ValueError
    return methods


BOOLEAN = Kind("true or false", _parse_boolean)
TEXT = Kind("text", _parse_text)
PORT = integer(1, 65535)
METHODS = Kind("up to 32 HTTP methods, as a list or separated by commas", _parse_methods)
