"""Writes families as text: Prometheus text 0.0.4 or OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

from prometheus_client.utils import floatToGoString

from .exemplars import Marks
from .families import Family, Shape

_SHORTEST_EXPONENT = 1e6
_TEXT_SUFFIXES = {"counter": "_total", "info": "_info"}
_TEXT_TYPES = {"info": "gauge", "stateset": "gauge", "unknown": "untyped"}


class Renderer:
    """Writes families; keeps the lines of the last scrape and writes again only those whose value changed."""

    def __init__(self) -> None:
        self._written: WeakKeyDictionary[Shape, tuple[Sequence[float], list[str]]] = WeakKeyDictionary()

    def text(self, families: Iterable[Family]) -> bytes:
        """Prometheus text format 0.0.4, where counters and infos are named after their samples; units are not told."""
        blocks: list[str] = []
        for family in families:
            blocks.append(_text_header(family.shape))
            blocks += self._lines(family)
        return "".join(blocks).encode()

    def openmetrics(self, families: Iterable[Family], marks: Marks | None = None) -> bytes:
        """OpenMetrics 1.0, with exemplars. Valid if the families conform to it (`openmetrics.conforming`)."""
        blocks: list[str] = []
        for family in families:
            blocks.append(_openmetrics_header(family.shape))
            first = len(blocks)
            blocks += self._lines(family)
            if marks:
                for index, mark in marks.get(family.shape.name, {}).items():
                    blocks[first + index] = blocks[first + index][:-1] + mark
        blocks.append("# EOF\n")
        return "".join(blocks).encode()

    def _lines(self, family: Family) -> list[str]:
        prefixes, values = family.shape.prefixes, family.values
        written = self._written.get(family.shape)
        if written is None:
            lines = [f"{prefix}{number(value)}\n" for prefix, value in zip(prefixes, values, strict=True)]
        else:
            lines = [
                line if value == old else f"{prefix}{number(value)}\n"
                for prefix, value, old, line in zip(prefixes, values, *written, strict=True)
            ]
        self._written[family.shape] = (values, lines)
        return lines


def number(value: float) -> str:
    """``value`` as prometheus_client writes it, which is as Go does: exponents from a million on."""
    return repr(value) if -_SHORTEST_EXPONENT < value < _SHORTEST_EXPONENT else str(floatToGoString(value))


def _text_header(shape: Shape) -> str:
    name = shape.name + _TEXT_SUFFIXES.get(shape.kind, "")
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {_TEXT_TYPES.get(shape.kind, shape.kind)}\n"


def _openmetrics_header(shape: Shape) -> str:
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    unit = f"# UNIT {shape.name} {shape.unit}\n" if shape.unit else ""
    return f"# HELP {shape.name} {text}\n# TYPE {shape.name} {shape.kind}\n{unit}"
