"""The series of websockets: from the endpoint to the places of all its numbers, and capped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ..catalogue import CATALOGUE, OTHER, UNROUTED
from ..note import NotedException
from ..settings import Settings
from ..storage.segments import Segments
from .request_series import EXCLUDED_REQUESTS
from .series import (
    BoundedNames,
    Cap,
    CappedCounter,
    capped_counter,
    counter_key,
    gauge_key,
    histogram_cells,
    marking_key,
    segment_for,
)

_OPEN: Final = CATALOGUE["gunicorn_websocket_open"]
_OPENED: Final = CATALOGUE["gunicorn_websocket_opened"]
_REFUSED: Final = CATALOGUE["gunicorn_websocket_refused"]
_CLOSED: Final = CATALOGUE["gunicorn_websocket_closed"]
_DURATION: Final = CATALOGUE["gunicorn_websocket_duration_seconds"]
_MESSAGES: Final = CATALOGUE["gunicorn_websocket_messages"]
_BYTES: Final = CATALOGUE["gunicorn_websocket_message_bytes"]
_EXCEPTIONS: Final = CATALOGUE["gunicorn_websocket_exceptions"]

_CODES: Final = frozenset({*range(1000, 1004), *range(1005, 1016)})


def close_code_label(code: int) -> str:
    """``code`` if RFC 6455 or its registry names it; else ``3xxx`` (libraries), ``4xxx`` (private use) or ``other``."""
    if code in _CODES:
        return str(code)
    return f"{code // 1000}xxx" if 3000 <= code <= 4999 else "other"


class WebSocketCells:
    """The numbers of one endpoint's websockets."""

    def __init__(self, segments: Segments, endpoint: str, settings: Settings) -> None:
        duration = settings.in_force(_DURATION)
        self._bounds = duration.buckets
        self.endpoint = endpoint
        labels = {"endpoint": endpoint}
        # What is switched off has a segment that keeps nothing.
        self._gauges = segment_for(segments, _OPEN, settings, "livesum")
        self._histograms = segment_for(segments, _DURATION, settings)
        self._messages = segment_for(segments, _MESSAGES, settings)
        self._bytes = segment_for(segments, _BYTES, settings)
        self._openings = segment_for(segments, _OPENED, settings)
        self._open = self._gauges.index(gauge_key(_OPEN, labels))
        self._duration = histogram_cells(self._histograms, duration, labels)
        self._received, self._received_bytes = self._flow({**labels, "direction": "received"})
        self._sent, self._sent_bytes = self._flow({**labels, "direction": "sent"})
        # Endpoints are counted by this one, so one that there was no room for does not count.
        self._opened = self._openings.index(counter_key(_OPENED, labels))

    def opened(self) -> None:
        self._openings.cells[self._opened] += 1.0
        self._gauges.cells[self._open] += 1.0

    def received(self, size: int) -> None:
        self._messages.cells[self._received] += 1.0
        self._bytes.cells[self._received_bytes] += size

    def sent(self, size: int) -> None:
        self._messages.cells[self._sent] += 1.0
        self._bytes.cells[self._sent_bytes] += size

    def closed(self, seconds: float) -> None:
        self._gauges.cells[self._open] -= 1.0
        cells = self._histograms.cells
        cells[self._duration.buckets[bisect_left(self._bounds, seconds)]] += 1.0
        cells[self._duration.sum] += seconds

    def _flow(self, labels: dict[str, str]) -> tuple[int, int]:
        return self._messages.index(counter_key(_MESSAGES, labels)), self._bytes.index(counter_key(_BYTES, labels))


class WebSocketSeries:
    """Counts the websockets of one worker. For its event loop only: not thread-safe.

    ``max_series`` is how many endpoints there may be, others are ``__other__``, and how many label sets of what ends
    them.
    """

    def __init__(self, segments: Segments, settings: Settings, dropped: Callable[[str], None]) -> None:
        self._settings = settings
        self._segments = segments
        self._dropped = dropped
        self._cap = Cap(settings.max_series)
        # By which of them endpoints are counted: the last that is made of those that are on.
        self._marker = next(
            (family for family in (_OPENED, _DURATION, _MESSAGES, _BYTES) if settings.records(family)), None
        )
        if self._marker is not None:
            self._cap.count_existing(segments.get(self._marker.kind), self._marker)
        self._endpoints: dict[str, WebSocketCells] = {}
        counter = partial(capped_counter, segments, settings)
        self._refused = counter(_REFUSED, "endpoint")
        self._closed = counter(_CLOSED, "endpoint")
        self._exceptions = counter(_EXCEPTIONS, "endpoint", "error_type")
        self._excluded = counter(EXCLUDED_REQUESTS)
        self._error_types = BoundedNames(settings.max_error_types)

    def cells(self, template: str | None) -> WebSocketCells:
        """The numbers of the endpoint ``template``, None if nobody named it. Raises SegmentFullError, OSError."""
        endpoint = template or UNROUTED
        cells = self._endpoints.get(endpoint)
        if cells is None:
            endpoint = self._admitted(endpoint)
            cells = self._endpoints.get(endpoint)
        if cells is None:
            cells = self._endpoints[endpoint] = WebSocketCells(self._segments, endpoint, self._settings)
        return cells

    def refused(self, template: str | None, status: int) -> None:
        """A handshake was answered with ``status``."""
        self._count(self._refused, _REFUSED.name, template or UNROUTED, f"{status:03}")

    def closed(self, endpoint: str, code: int) -> None:
        """A websocket was closed with ``code``."""
        self._count(self._closed, _CLOSED.name, endpoint, close_code_label(code))

    def excluded(self) -> None:
        """A websocket came to an excluded endpoint."""
        self._excluded.increment()

    def exceptions(self, endpoint: str, noted: Sequence[NotedException]) -> None:
        for exception in noted:
            name = self._error_types.bounded(exception.error_type)
            handled = "true" if exception.handled else "false"
            self._count(self._exceptions, _EXCEPTIONS.name, endpoint, name, handled, exception.source)

    def _admitted(self, endpoint: str) -> str:
        marker = self._marker or _OPENED
        labels = {"endpoint": endpoint, "direction": "sent"}
        key = marking_key(marker, {name: labels[name] for name in marker.labels})
        if self._marker is not None and key in self._segments.get(marker.kind):
            return endpoint
        if not self._cap.admits(marker):
            self._dropped(_OPENED.name)
            return OTHER
        self._cap.add(marker)
        return endpoint

    def _count(self, counter: CappedCounter, family: str, *values: str) -> None:
        if not counter.increment(*values):
            self._dropped(family)
