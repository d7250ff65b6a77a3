"""The bridges that need no word of the application's: they are put into a framework that it has imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

from .note import RequestNote

NameUnrouted = Callable[[dict[str, Any], RequestNote, int], None]
"""A bridge's last word on a request, answered with a status, of which its router has not said where it belongs.

It is given the scope as the application left it.
"""

_BRIDGES: Final = {"starlette": "gunicorn_prometheus_exporter_starlette"}


def watch_frameworks(report: Callable[[str, BaseException], object]) -> list[NameUnrouted]:
    """Have the frameworks that are imported by now watched. ``report`` is told of those that do not let themselves."""
    found = []
    for framework, bridge in _BRIDGES.items():
        if framework in sys.modules:
            try:
                found.append(importlib.import_module(bridge).watch())
            except Exception as error:
                report("bridge", error)
    return found
