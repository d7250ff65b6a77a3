"""The series of a request's numbers: from (method, endpoint, status) to the places of all of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Final

from ..catalogue import BY_STATUS, CATALOGUE, OTHER, OTHER_METHOD, UNROUTED, Family
from ..settings import Settings
from ..storage.segments import Segments
from .exclusion import WITHOUT_ROUTE, Exclusion
from .series import Cap, HistogramCells, counter_key, histogram_cells, marking_key

REQUESTS: Final = CATALOGUE["gunicorn_http_requests"]
DURATION: Final = CATALOGUE["gunicorn_http_request_duration_seconds"]
FIRST_BYTE: Final = CATALOGUE["gunicorn_http_time_to_first_byte_seconds"]
RECEIVED: Final = CATALOGUE["gunicorn_http_request_size_bytes"]
EXCLUDED_REQUESTS: Final = CATALOGUE["gunicorn_http_excluded_requests"]
SENT: Final = CATALOGUE["gunicorn_http_response_size_bytes"]

RequestKey = tuple[str, str | None, int]
"""Method label, endpoint template or None, status code."""

_Buckets = tuple[int, ...] | None

RequestCells = tuple[int | None, _Buckets, int, _Buckets, int, _Buckets, int, HistogramCells | None]
"""The request counter, then buckets and sum of duration, received and sent bytes, then time to first byte.

What is None is not recorded, and so is a histogram without buckets.
"""

_OFF: Final = (None, 0)
_NOTHING: Final[RequestCells] = (None, None, 0, None, 0, None, 0, None)


KnownEndpoints = dict[str | None, dict[int, RequestCells]]
"""The cells of one method, by endpoint and status."""


class RequestSeries:
    """Finds and makes the cells of requests. Not thread-safe: the recorder's lock covers `resolve`.

    ``known`` is for look-ups without the lock: by method, endpoint and status, each in a dictionary of its own, since
    a key of three parts costs more to make than three look-ups. Label sets over the cap get the cells of the endpoint
    ``__other__`` and are not remembered, however many there are. ``of_excluded_paths``, if there is
    an exclusion, is for requests whose path is excluded. With OpenTelemetry's naming histograms are by status and URL
    scheme too, in families of their own.
    """

    def __init__(self, segments: Segments, settings: Settings, exclusion: Exclusion | None) -> None:
        def recorded(family: Family) -> Family | None:
            return self._recorded_as(settings.in_force(family)) if settings.records(family) else None

        self.known: dict[str, KnownEndpoints] = {method: {} for method in (*settings.methods, OTHER_METHOD)}
        self._has_excluded_path = False
        self._exclusion = exclusion
        self._excluded = _NOTHING
        self._most_unnamed = settings.max_series
        self._segments = segments
        if exclusion is not None and settings.records(EXCLUDED_REQUESTS):
            self._excluded = (segments.get("counter").index(counter_key(EXCLUDED_REQUESTS, {})), *_NOTHING[1:])
        self._by_status = settings.naming == "otel"
        self._scheme = ""
        self._requests = REQUESTS if settings.records(REQUESTS) else None
        self._duration, self._received, self._sent = map(recorded, (DURATION, RECEIVED, SENT))
        self._first_byte = recorded(FIRST_BYTE) if settings.time_to_first_byte else None
        histograms = (self._duration, self._received, self._sent, self._first_byte)
        # Label sets are counted by requests, and by the first histogram for all of them.
        self._counted = [
            family for family in (self._requests, next(filter(None, histograms), None)) if family is not None
        ]
        self._cap = Cap(settings.max_series)
        for family in self._counted:
            self._cap.count_existing(segments.get(family.kind), family)
        self.of_excluded_paths = None if exclusion is None else self._copy(has_excluded_path=True)

    def of_scheme(self, scheme: str) -> RequestSeries:
        """The same for requests of this URL scheme: with cells of its own, and one cap for all."""
        other = self._copy(scheme=scheme)
        if self._exclusion is not None:
            other.of_excluded_paths = other._copy(has_excluded_path=True)
        return other

    def excludes(self, template: str | None) -> bool:
        """Whether requests of the endpoint ``template`` are excluded here."""
        if self._exclusion is None:
            return False
        return self._exclusion.covers_template(template) or (self._has_excluded_path and template in WITHOUT_ROUTE)

    def _copy(self, *, scheme: str | None = None, has_excluded_path: bool = False) -> RequestSeries:
        other = copy.copy(self)
        other._scheme = self._scheme if scheme is None else scheme
        other._has_excluded_path = has_excluded_path
        other.known = {method: {} for method in self.known}
        return other

    def resolve(self, key: RequestKey) -> tuple[RequestCells, bool]:
        """The cells of ``key``, and whether it has its own (else they are ``__other__``'s)."""
        if self.excludes(key[1]):
            return self._unnamed(key, self._excluded), True
        if not self._counted:
            return self._unnamed(key, _NOTHING), True
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

    def _recorded_as(self, family: Family) -> Family:
        if not self._by_status or family.name not in BY_STATUS:
            return family
        return replace(BY_STATUS[family.name], buckets=family.buckets)

    def _unnamed(self, key: RequestKey, cells: RequestCells) -> RequestCells:
        """Remember the ``cells`` of an endpoint that has no series, and so no cap."""
        method, endpoint, status = key
        known = self.known[method]
        if len(known) < self._most_unnamed:
            known.setdefault(endpoint, {})[status] = cells
        return cells

    def _admit(self, method: str, endpoint: str, status: int) -> tuple[Family, ...] | None:
        """The families in which it would be a new label set, None if that is one too many."""
        if endpoint == OTHER:
            return ()
        new = []
        for family in self._counted:
            key = marking_key(family, self._labels(family, method, endpoint, status))
            if key not in self._segments.get(family.kind):
                new.append(family)
        return tuple(new) if all(map(self._cap.admits, new)) else None

    def _labels(self, family: Family, method: str, endpoint: str, status: int) -> dict[str, str]:
        labels = {"method": method, "endpoint": endpoint, "status": f"{status:03}", "scheme": self._scheme}
        return {name: labels[name] for name in family.labels}

    def _make(self, key: RequestKey) -> RequestCells:
        method, endpoint, status = key

        def cells_of(family: Family | None) -> HistogramCells | None:
            if family is None:
                return None
            labels = self._labels(family, method, endpoint or UNROUTED, status)
            return histogram_cells(self._segments.get("histogram"), family, labels)

        duration, received, sent = (cells_of(family) or _OFF for family in (self._duration, self._received, self._sent))
        first_byte = cells_of(self._first_byte)
        request = None
        if self._requests is not None:
            labels = self._labels(self._requests, method, endpoint or UNROUTED, status)
            request = self._segments.get("counter").index(counter_key(self._requests, labels))
        cells: RequestCells = (request, *duration, *received, *sent, first_byte)
        self.known[method].setdefault(endpoint, {})[status] = cells
        return cells
