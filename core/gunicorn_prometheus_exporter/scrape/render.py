"""Writes families as text: Prometheus text 0.0.4 or OpenMetrics 1.0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakKeyDictionary

from prometheus_client.utils import floatToGoString

from .exemplars import Marks
from .families import Family, Shape

_LARGE = 1e6
_LAST_WHOLE = 1e15
_EXPONENTS = ("", *(f"e+{digits:02}" for digits in range(16)))
_TEXT_SUFFIXES = {"counter": "_total", "info": "_info"}
_TEXT_TYPES = {"info": "gauge", "stateset": "gauge", "unknown": "untyped"}


class _Lines:
    """The lines of a family, in pieces: values, and what is between them. Only what changed is written again."""

    def __init__(self, shape: Shape) -> None:
        self._values: Sequence[float] = [math.nan] * len(shape.prefixes)
        self._texts = [""] * len(shape.prefixes)
        self._pieces = ["\n"] * (2 * len(shape.prefixes) + 1)
        self._pieces[:-1:2] = ["\n" + prefix for prefix in shape.prefixes]

    def pieces(self, values: Sequence[float]) -> list[str]:
        """They start with the end of the line before. Good until the next call."""
        self._texts = [
            text if value == before else (repr(value) if -_LARGE < value < _LARGE else number(value))
            for value, before, text in zip(values, self._values, self._texts, strict=True)
        ]
        self._values = values
        self._pieces[1::2] = self._texts
        return self._pieces


class Renderer:
    """Writes families; keeps the lines of the last scrape and writes again only those whose value changed."""

    def __init__(self) -> None:
        self._lines: WeakKeyDictionary[Shape, _Lines] = WeakKeyDictionary()

    def text(self, families: Iterable[Family]) -> bytes:
        """Prometheus text format 0.0.4, where counters and infos are named after their samples; units are not told."""
        return self._exposition(families, _text_header, {}).encode()

    def openmetrics(self, families: Iterable[Family], marks: Marks | None = None) -> bytes:
        """OpenMetrics 1.0, with exemplars. Valid if the families conform to it (`openmetrics.conforming`)."""
        return (self._exposition(families, _openmetrics_header, marks or {}) + "# EOF\n").encode()

    def _exposition(self, families: Iterable[Family], header: Callable[[Shape], str], marks: Marks) -> str:
        pieces: list[str] = []
        for family in families:
            lines = self._lines.get(family.shape)
            if lines is None:
                lines = self._lines[family.shape] = _Lines(family.shape)
            pieces.append(header(family.shape))
            first = len(pieces) + 1
            pieces += lines.pieces(family.values)
            if marks:
                for index, mark in marks.get(family.shape.name, {}).items():
                    pieces[first + 2 * index] += mark
        return "".join(pieces)


def number(value: float) -> str:
    """``value`` as prometheus_client writes it, which is as Go does: exponents from a million on."""
    if -_LARGE < value < _LARGE:
        return repr(value)
    if _LARGE <= value < _LAST_WHOLE and value.is_integer():
        # Most large values are totals, and this takes a third of what the general way does.
        digits = str(int(value))
        return f"{digits[0]}.{digits[1:]}".rstrip("0.") + _EXPONENTS[len(digits)]
    return str(floatToGoString(value))


def _text_header(shape: Shape) -> str:
    name = shape.name + _TEXT_SUFFIXES.get(shape.kind, "")
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {_TEXT_TYPES.get(shape.kind, shape.kind)}"


def _openmetrics_header(shape: Shape) -> str:
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    unit = f"\n# UNIT {shape.name} {shape.unit}" if shape.unit else ""
    return f"# HELP {shape.name} {text}\n# TYPE {shape.name} {shape.kind}{unit}"
