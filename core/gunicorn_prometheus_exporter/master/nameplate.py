"""The nameplate of a master: what is running here, and since when."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import gunicorn

from ..catalogue import CATALOGUE
from ..storage.segments import Segments
from .live_gauges import LiveGauges

_INFO: Final = CATALOGUE["gunicorn_info"]
_START_TIME: Final = CATALOGUE["gunicorn_master_start_time_seconds"]


class Nameplate:
    """Shows ``gunicorn_info`` and the master's start time in ``segments`` for as long as the master lives.

    ``storage`` is where metrics are kept, as the family has it. Of two masters (USR2) the newer one's start time
    counts.
    """

    def __init__(self, segments: Segments, storage: str) -> None:
        self._storage = storage
        self._gauges = LiveGauges(segments.get("gauge", "livemostrecent"))
        started = started_at()
        self._gauges.set(_START_TIME, started, started)

    def show(self, cfg: Any) -> None:
        """Show what ``cfg`` and the versions are, in place of what they were."""
        python = platform.python_version()
        values = (_own_version(), gunicorn.__version__, python, cfg.worker_class_str, self._storage)
        self._gauges.set(_INFO, 1.0, time.time(), *values)
        self._gauges.keep_only(_INFO, {values})


def started_at() -> float:
    """The Unix time at which this process was started: now, where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            # The second field is a file name in parentheses, and may itself have blanks and parentheses.
            after_name = stat.read().rpartition(b")")[2].split()
        ticks = int(after_name[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return time.time()


def _own_version() -> str:
    try:
        return version("gunicorn-prometheus-exporter")
    except PackageNotFoundError:
        return "unknown"
