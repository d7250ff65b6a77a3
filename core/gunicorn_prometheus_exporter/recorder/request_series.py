"""The series of a request's numbers: from (method, endpoint, status) to the places of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..catalogue import CATALOGUE, OTHER, UNROUTED, Family
from ..storage.segment import Segment
from .series import Cap, HistogramCells, counter_key, histogram_cells, histogram_sum_key

REQUESTS: Final = CATALOGUE["gunicorn_http_requests"]
DURATION: Final = CATALOGUE["gunicorn_http_request_duration_seconds"]
FIRST_BYTE: Final = CATALOGUE["gunicorn_http_time_to_first_byte_seconds"]
RECEIVED: Final = CATALOGUE["gunicorn_http_request_size_bytes"]
SENT: Final = CATALOGUE["gunicorn_http_response_size_bytes"]

RequestKey = tuple[str, str | None, int]
"""Method label, endpoint template or None, status code."""

RequestCells = tuple[int, tuple[int, ...], int, tuple[int, ...], int, tuple[int, ...], int, HistogramCells | None]
"""The request counter, then buckets and sum of duration, received and sent bytes, then time to first byte, if on."""


KnownEndpoints = dict[str | None, dict[int, RequestCells]]
"""The cells of one method, by endpoint and status."""


class RequestSeries:
    """Finds and makes the cells of requests. Not thread-safe: the recorder's lock covers `resolve`.

    ``known`` is for look-ups without the lock: by method, endpoint and status, each in a dictionary of its own, since
    a key of three parts costs more to make than three look-ups. Label sets over the cap get the cells of the endpoint
    ``__other__`` and are not remembered, however many there are.
    """

    def __init__(
        self, counters: Segment, histograms: Segment, methods: Iterable[str], *, cap: int, first_byte: bool
    ) -> None:
        self.known: dict[str, KnownEndpoints] = {method: {} for method in methods}
        self._counters = counters
        self._histograms = histograms
        self._first_byte = first_byte
        self._cap = Cap(cap)
        self._cap.count_existing(counters, REQUESTS)
        self._cap.count_existing(histograms, DURATION)

    def resolve(self, key: RequestKey) -> tuple[RequestCells, bool]:
        """The cells of ``key``, and whether it has its own (else they are ``__other__``'s)."""
        cells = self._find(key)
        if cells is not None:
            return cells, True
        method, endpoint, status = key
        families = self._admit(method, endpoint or UNROUTED, status)
        if families is not None:
            cells = self._make(key)
            # Only now: what there was no room for does not count.
            for family in families:
                self._cap.add(family)
            return cells, True
        other = (method, OTHER, status)
        return self._find(other) or self._make(other), False

    def _find(self, key: RequestKey) -> RequestCells | None:
        method, endpoint, status = key
        return self.known[method].get(endpoint, {}).get(status)

    def _admit(self, method: str, endpoint: str, status: int) -> tuple[Family, ...] | None:
        """The families in which it would be a new label set, None if that is one too many."""
        labels = {"method": method, "endpoint": endpoint}
        if endpoint == OTHER or counter_key(REQUESTS, {**labels, "status": f"{status:03}"}) in self._counters:
            return ()
        is_new_endpoint = histogram_sum_key(DURATION, labels) not in self._histograms
        if not self._cap.admits(REQUESTS) or (is_new_endpoint and not self._cap.admits(DURATION)):
            return None
        return (REQUESTS, DURATION) if is_new_endpoint else (REQUESTS,)

    def _make(self, key: RequestKey) -> RequestCells:
        method, endpoint, status = key
        labels = {"method": method, "endpoint": endpoint or UNROUTED}
        duration = histogram_cells(self._histograms, DURATION, labels)
        received = histogram_cells(self._histograms, RECEIVED, labels)
        sent = histogram_cells(self._histograms, SENT, labels)
        first_byte = histogram_cells(self._histograms, FIRST_BYTE, labels) if self._first_byte else None
        request = self._counters.index(counter_key(REQUESTS, {**labels, "status": f"{status:03}"}))
        cells: RequestCells = (request, *duration, *received, *sent, first_byte)
        self.known[method].setdefault(endpoint, {})[status] = cells
        return cells
