"""A recorder that also keeps, for each bucket of the durations, the last request whose trace somebody records."""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from ..storage.exemplars import RECORDS, ExemplarArea
from ..storage.segment import Segment
from .recorder import Begin, Recorder
from .request import RecordedRequest
from .traces import sampled_trace


class _Keys:
    """The keys of a segment by where their values are, without their help texts."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._keys: dict[int, str] = {}

    def at(self, index: int) -> bytes:
        if index not in self._keys:
            self._keys = {self._segment.index(key): key for key in self._segment}
        metric, sample, labels, _ = json.loads(self._keys[index])
        return json.dumps([metric, sample, labels, ""]).encode()


class ExemplaryRecorder(Recorder):
    """Keeps exemplars from `keep_exemplars` on. It is apart, so that recording costs nothing more where nobody asks."""

    _area: ExemplarArea | None = None

    def keep_exemplars(self, area: ExemplarArea) -> None:
        """Keep them in ``area``. Before the application is asked anything."""
        self._area = area
        self._keys = _Keys(self._histograms)
        self._by_index: dict[int, bytes] = {}

    @property
    def beginning(self) -> Begin:
        begin = super().beginning
        if self._area is None:
            return begin

        def begin_traced(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> RecordedRequest:
            # First what might fail: a request that has begun must end.
            trace = sampled_trace(environ["HTTP_TRACEPARENT"]) if "HTTP_TRACEPARENT" in environ else None
            request = begin(environ, start_response)
            request.trace = trace
            return request

        return begin_traced

    def _write(self, request: RecordedRequest, now: float, received: int, sent: int, status: int) -> None:
        super()._write(request, now, received, sent, status)
        # One that began otherwise does not have the attribute.
        trace = getattr(request, "trace", None)
        if trace is None or self._area is None:
            return
        cells = request.known.get(request.template, {}).get(status)
        if cells is None or cells[1] is None:
            return
        duration = now - request.start
        index = cells[1][bisect_left(self._durations, duration)]
        with self._lock:
            key = self._by_index.get(index)
            if key is None:
                if len(self._by_index) >= RECORDS:
                    self._by_index.clear()
                key = self._by_index[index] = self._keys.at(index)
            self._area.put(key, duration, time.time(), trace)
