"""Writes families as text: Prometheus text 0.0.4 or OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Iterable
from operator import add

from prometheus_client.utils import floatToGoString

from gunicorn_prometheus_exporter.scrape.families import Family, Shape

_SHORTEST_EXPONENT = 1e6
_TEXT_SUFFIXES = {"counter": "_total", "info": "_info"}
_TEXT_TYPES = {"info": "gauge", "stateset": "gauge", "unknown": "untyped"}


def render_text(families: Iterable[Family]) -> bytes:
    """Prometheus text format 0.0.4, which names counters and infos by their samples, and has no enums and no units."""
    blocks: list[str] = []
    for family in families:
        blocks += (_text_header(family.shape), _lines(family))
    return "".join(blocks).encode()


def render_openmetrics(families: Iterable[Family]) -> bytes:
    """OpenMetrics 1.0. Valid if the families conform to it (`openmetrics.conforming`)."""
    blocks: list[str] = []
    for family in families:
        blocks += (_openmetrics_header(family.shape), _lines(family))
    blocks.append("# EOF\n")
    return "".join(blocks).encode()


def number(value: float) -> str:
    """``value`` as prometheus_client writes it, which is as Go does: exponents from a million on."""
    return repr(value) if -_SHORTEST_EXPONENT < value < _SHORTEST_EXPONENT else str(floatToGoString(value))


def _lines(family: Family) -> str:
    lines = "\n".join(map(add, family.shape.prefixes, map(number, family.values)))
    return lines + "\n" if lines else ""


def _text_header(shape: Shape) -> str:
    name = shape.name + _TEXT_SUFFIXES.get(shape.kind, "")
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {_TEXT_TYPES.get(shape.kind, shape.kind)}\n"


def _openmetrics_header(shape: Shape) -> str:
    text = shape.help.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    unit = f"# UNIT {shape.name} {shape.unit}\n" if shape.unit else ""
    return f"# HELP {shape.name} {text}\n# TYPE {shape.name} {shape.kind}\n{unit}"
