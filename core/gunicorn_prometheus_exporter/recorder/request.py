"""One request in progress: the note that the bridges see, and what the recorder must remember until its last byte."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Any

from ..note import RequestNote, label_of
from ..storage.exemplars import Trace
from ..storage.journal import Cell, Journal
from .meters import BodyMeter, SendfileMeter
from .outcome import is_clients_doing
from .request_series import KnownEndpoints


@lru_cache(maxsize=4096)
def _spelled(template: str) -> tuple[str, bytes]:
    """``template`` as a label's value, and in UTF-8."""
    label = label_of(template)
    return label, label.encode()


class RecordedRequest(RequestNote):
    """A request that is being recorded.

    ``body`` counts its ``length`` down from 0 as the request's body is received. ``status`` is 0 until
    the response has one. ``started`` is the reading of the monotonic clock at the response's start, 0.0 until then or
    if nobody asked for it.
    ``trace`` is there only if exemplars are kept and the request came with a ``traceparent``.
    ``client_left`` says that the application noticed: a framework told of an exception that came from that.
    """

    __slots__ = (
        "_start_response",
        "body",
        "cell",
        "client_left",
        "journal",
        "known",
        "meter",
        "method",
        "response",
        "start",
        "started",
        "status",
        "trace",
    )

    _start_response: Callable[..., Any]
    body: Any
    cell: Cell
    client_left: bool
    journal: Journal
    known: KnownEndpoints
    meter: BodyMeter | SendfileMeter | None
    method: str
    response: Any
    start: float
    started: float
    status: int
    trace: Trace | None

    # `Recorder.begin` sets every attribute itself: the call of an __init__ costs as much as all of them.
    __init__ = object.__init__

    def _name(self, template: str) -> None:
        self.template, encoded = _spelled(template)
        self.journal.set_endpoint(self.cell, encoded)

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        if is_clients_doing(error):
            self.client_left = True
        else:
            super()._note(error, handled, source)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """WSGI's ``start_response``, which also leaves the status in the journal."""
        write = self._start_response(status, headers, exc_info)
        code = self.response.status_code
        if code is not None and 100 <= code <= 999:
            self.status = self.journal.words[self.cell[0]] = code
        return write


class TimedRequest(RecordedRequest):
    """A request of which the time to first byte is recorded too."""

    __slots__ = ()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        write = super().start_response(status, headers, exc_info)
        self.started = monotonic()
        return write
