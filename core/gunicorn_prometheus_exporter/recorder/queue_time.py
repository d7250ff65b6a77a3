"""How long a request waited in front of the worker, from the header in which a proxy says when it took it."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..catalogue import CATALOGUE
from ..settings import Settings
from ..storage.segment import Segment
from .series import HistogramCells, histogram_cells

_QUEUE_SECONDS: Final = CATALOGUE["gunicorn_http_request_queue_seconds"]
_LONGEST: Final = 3600.0

# `t=1512379167.574` (nginx), `t=1512379167574000` (Apache), `1512379167574` (Heroku). The outermost proxy comes first.
_START: Final = re.compile(r"[ \t]*(?:t=)?[ \t]*([0-9]{1,20}(?:\.[0-9]{0,20})?)[ \t]*(?:,.*)?", re.ASCII)
# Nothing tells the unit but the size: in each, the present has ten, thirteen, sixteen or nineteen digits.
_SCALES: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))


def request_start(header: str) -> float | None:
    """The Unix time in seconds that ``header`` (X-Request-Start or X-Queue-Start) names, None if it names none.

    It may be in seconds, milliseconds, microseconds or nanoseconds, whole or with a fraction, with or without ``t=``.
    """
    match = _START.fullmatch(header)
    if match is None:
        return None
    number = float(match[1])
    return next((number / scale for limit, scale in _SCALES if number < limit), None)


def queue_seconds(header: str, now: float) -> float | None:
    """The time from ``header`` to ``now`` (Unix seconds), None if it cannot be true: negative, or over an hour."""
    start = request_start(header)
    return now - start if start is not None and 0.0 <= now - start <= _LONGEST else None


class QueueTime:
    """Records the queue time of requests whose peer ``is_trusted`` (it is given Gunicorn's request)."""

    def __init__(self, histograms: Segment, is_trusted: Callable[[Any], bool], settings: Settings) -> None:
        self._is_on = settings.records(_QUEUE_SECONDS)
        self._family = settings.in_force(_QUEUE_SECONDS)
        self._histograms = histograms
        self._is_trusted = is_trusted
        self._cells: HistogramCells | None = None

    def observe(self, environ: Mapping[str, Any], request: Any) -> None:
        """Record the request that ``environ`` and Gunicorn's ``request`` describe. For the holder of the lock.

        Without such a request there is no family: most applications have no proxy that says when it began.
        """
        if not self._is_on:
            return
        now = time.time()
        seconds = queue_seconds(environ.get("HTTP_X_REQUEST_START", ""), now)
        if seconds is None:
            seconds = queue_seconds(environ.get("HTTP_X_QUEUE_START", ""), now)
        if seconds is None or not self._is_trusted(request):
            return
        if self._cells is None:
            self._cells = histogram_cells(self._histograms, self._family, {})
        cells = self._histograms.cells
        cells[self._cells.buckets[bisect_left(self._family.buckets, seconds)]] += 1.0
        cells[self._cells.sum] += seconds
