"""The series of a request's numbers: from (method, endpoint, status) to the places of all of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Final

from ..catalogue import BY_STATUS, CATALOGUE, OTHER, OTHER_METHOD, UNROUTED, Family
from ..settings import Settings
from ..storage.segment import Segment
from .exclusion import WITHOUT_ROUTE, Exclusion
from .series import Cap, HistogramCells, counter_key, histogram_cells, histogram_sum_key

REQUESTS: Final = CATALOGUE["gunicorn_http_requests"]
DURATION: Final = CATALOGUE["gunicorn_http_request_duration_seconds"]
FIRST_BYTE: Final = CATALOGUE["gunicorn_http_time_to_first_byte_seconds"]
RECEIVED: Final = CATALOGUE["gunicorn_http_request_size_bytes"]
EXCLUDED_REQUESTS: Final = CATALOGUE["gunicorn_http_excluded_requests"]
SENT: Final = CATALOGUE["gunicorn_http_response_size_bytes"]

RequestKey = tuple[str, str | None, int]
"""Method label, endpoint template or None, status code."""

_Buckets = tuple[int, ...] | None

RequestCells = tuple[int, _Buckets, int, _Buckets, int, _Buckets, int, HistogramCells | None]
"""The request counter, then buckets and sum of duration, received and sent bytes, then time to first byte.

Without buckets a histogram is not recorded.
"""


KnownEndpoints = dict[str | None, dict[int, RequestCells]]
"""The cells of one method, by endpoint and status."""


class RequestSeries:
    """Finds and makes the cells of requests. Not thread-safe: the recorder's lock covers `resolve`.

    ``known`` is for look-ups without the lock: by method, endpoint and status, each in a dictionary of its own, since
    a key of three parts costs more to make than three look-ups. Label sets over the cap get the cells of the endpoint
    ``__other__`` and are not remembered, however many there are. What the ``exclusion`` judges by its path is not in
    ``known`` either, so there each request comes by here. With OpenTelemetry's naming histograms are by status and URL
    scheme too, in families of their own.
    """

    def __init__(
        self,
        counters: Segment,
        histograms: Segment,
        settings: Settings,
        exclusion: Exclusion | None,
    ) -> None:
        self.known: dict[str, KnownEndpoints] = {method: {} for method in (*settings.methods, OTHER_METHOD)}
        self._judged_by_path: dict[str, KnownEndpoints] = {method: {} for method in self.known}
        self._exclusion = exclusion
        self._excluded: RequestCells | None = None
        self._most_excluded = settings.max_series
        if exclusion is not None:
            excluded = counters.index(counter_key(EXCLUDED_REQUESTS, {}))
            self._excluded = (excluded, None, 0, None, 0, None, 0, None)
        self._counters = counters
        self._histograms = histograms
        self._first_byte = settings.in_force(FIRST_BYTE) if settings.time_to_first_byte else None
        self._cap = Cap(settings.max_series)
        self._cap.count_existing(counters, REQUESTS)
        self._by_status = settings.naming == "otel"
        self._scheme = ""
        self._duration, self._received, self._sent = (
            self._recorded_as(settings.in_force(family)) for family in (DURATION, RECEIVED, SENT)
        )
        self._cap.count_existing(histograms, self._duration)

    def of_scheme(self, scheme: str) -> RequestSeries:
        """The same for requests of this URL scheme: with cells of its own, and one cap for all."""
        other = copy.copy(self)
        other._scheme = scheme
        other.known = {method: {} for method in self.known}
        other._judged_by_path = {method: {} for method in self.known}
        return other

    def resolve(self, key: RequestKey, path: str) -> tuple[RequestCells, bool]:
        """The cells of ``key``, and whether it has its own (else they are ``__other__``'s)."""
        if self._excluded is not None and self._is_excluded(key, path):
            return self._excluded, True
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
        return self._shelf(method, endpoint).get(endpoint, {}).get(status)

    def _recorded_as(self, family: Family) -> Family:
        return replace(BY_STATUS[family.name], buckets=family.buckets) if self._by_status else family

    def _shelf(self, method: str, endpoint: str | None) -> KnownEndpoints:
        by_path = self._exclusion is not None and endpoint in WITHOUT_ROUTE
        return (self._judged_by_path if by_path else self.known)[method]

    def _is_excluded(self, key: RequestKey, path: str) -> bool:
        method, endpoint, status = key
        if self._exclusion is None or self._excluded is None or not self._exclusion.covers(endpoint, path):
            return False
        known = self.known[method]
        if endpoint not in WITHOUT_ROUTE and len(known) < self._most_excluded:
            known.setdefault(endpoint, {})[status] = self._excluded
        return True

    def _admit(self, method: str, endpoint: str, status: int) -> tuple[Family, ...] | None:
        """The families in which it would be a new label set, None if that is one too many."""
        if endpoint == OTHER:
            return ()
        labels = {"method": method, "endpoint": endpoint, "status": f"{status:03}"}
        new = []
        if counter_key(REQUESTS, labels) not in self._counters:
            new.append(REQUESTS)
        if histogram_sum_key(self._duration, self._labels(method, endpoint, status)) not in self._histograms:
            new.append(self._duration)
        return tuple(new) if all(map(self._cap.admits, new)) else None

    def _labels(self, method: str, endpoint: str, status: int) -> dict[str, str]:
        """Those of the histograms."""
        labels = {"method": method, "endpoint": endpoint}
        return {**labels, "status": f"{status:03}", "scheme": self._scheme} if self._by_status else labels

    def _make(self, key: RequestKey) -> RequestCells:
        method, endpoint, status = key
        labels = {"method": method, "endpoint": endpoint or UNROUTED}
        by_status = self._labels(method, endpoint or UNROUTED, status)
        duration = histogram_cells(self._histograms, self._duration, by_status)
        received = histogram_cells(self._histograms, self._received, by_status)
        sent = histogram_cells(self._histograms, self._sent, by_status)
        first_byte = histogram_cells(self._histograms, self._first_byte, labels) if self._first_byte else None
        request = self._counters.index(counter_key(REQUESTS, {**labels, "status": f"{status:03}"}))
        cells: RequestCells = (request, *duration, *received, *sent, first_byte)
        self._shelf(method, endpoint).setdefault(endpoint, {})[status] = cells
        return cells
