"""One request in progress: the note that the bridges see, and what the recorder must remember until its last byte."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from ..note import RequestNote
from ..storage.journal import Journal
from .meters import BodyMeter, SendfileMeter


class RecordedRequest(RequestNote):
    """A request that is being recorded.

    ``body`` counts its ``length`` down as the request's body is received, from ``body_length`` on. ``started`` is
    the reading of the monotonic clock at the response's start, 0.0 until then or if nobody asked for it.
    """

    __slots__ = (
        "_start_response",
        "body",
        "body_length",
        "cell",
        "journal",
        "meter",
        "method",
        "response",
        "start",
        "started",
    )

    body: Any
    body_length: int
    cell: int
    journal: Journal
    meter: BodyMeter | SendfileMeter | None
    method: str
    response: Any
    start: float
    started: float

    def __init__(self, journal: Journal, cell: int, method: str, start_response: Callable[..., Any]) -> None:
        self.template = None
        self.exceptions = None
        self.journal = journal
        self.cell = cell
        self.method = method
        self.meter = None
        self.started = 0.0
        self._start_response = start_response
        self.response = start_response.__self__  # type: ignore[attr-defined]  # always Gunicorn's Response

    def endpoint(self, template: str) -> None:
        self.template = template
        self.journal.set_endpoint(self.cell, template)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """WSGI's ``start_response``, which also leaves the status in the journal."""
        write = self._start_response(status, headers, exc_info)
        code = self.response.status_code
        if code is not None and 100 <= code <= 999:
            self.journal.words[self.cell] = code
        return write


class TimedRequest(RecordedRequest):
    """A request of which the time to first byte is recorded too."""

    __slots__ = ()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        write = super().start_response(status, headers, exc_info)
        self.started = monotonic()
        return write
