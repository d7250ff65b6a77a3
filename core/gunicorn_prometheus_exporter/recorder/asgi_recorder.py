"""The recorder of a worker that serves an ASGI application: a request ends with its last body message."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from ..bridges import NameUnrouted
from ..catalogue import UNMATCHED
from ..note import RequestNote, the_one_inside
from ..settings import Settings
from ..storage.journal import BUSY_WORD, NO_RESPONSE_YET, SCRATCH_CELL, Journal
from ..storage.segments import Segments
from .asgi_request import ASGIRequest, Receive, Send
from .outcome import Outcome
from .recorder import Recorder
from .request_series import FIRST_BYTE
from .websocket import WebSocket
from .websocket_series import WebSocketSeries

SOURCE: Final = "asgi"

Report = Callable[[str, BaseException], None]
_QUEUE_HEADERS: Final = (
    (b"x-request-start", "HTTP_X_REQUEST_START"),
    (b"x-queue-start", "HTTP_X_QUEUE_START"),
)
_PAGE: Final = len("Internal Server Error")
"""Body bytes of what both servers answer in place of an application that failed before its response."""


class Server(Protocol):
    """What differs between the servers.

    ``connection_of`` is given a request's ``receive`` and returns something of which ``is_gone`` says whether the
    server drops what is sent there; None if this server has no such thing. ``answered`` is the status of a request
    whose client was gone before a response, 499 unless the server itself sent one. ``unaccepted`` is the status with
    which it answers the handshake of an application that returned without a word. ``close_code`` is with what a
    websocket was closed that the application did not close: ``told`` is what the server told it, if it did.
    """

    unaccepted: int

    def connection_of(self, receive: Receive) -> object | None: ...

    def is_gone(self, connection: Any) -> bool: ...

    def answered(self, connection: Any) -> int: ...

    def close_code(self, receive: Receive, told: int | None) -> int: ...


class Peer(NamedTuple):
    """As much of Gunicorn's request as tells whether its peer is trusted."""

    peer_addr: Any
    cfg: Any


class _Unknown:
    """Stands for a connection of which the server tells nothing."""


_UNKNOWN: Final = _Unknown()


class ASGIRecorder(Recorder):
    """Records requests and websockets. One event loop is served by one thread, so begin and end are never at once.

    ``report`` is told of failures of ours.
    """

    def __init__(
        self, segments: Segments, journal: Journal, settings: Settings, *, cfg: Any, server: Server, report: Report
    ) -> None:
        super().__init__(segments, journal, settings)
        self.report = report
        self.server = server
        self.times_first_byte = settings.time_to_first_byte and settings.records(FIRST_BYTE)
        self.unrouted: list[NameUnrouted] = []
        self.websockets = WebSocketSeries(segments, settings, self._dropped)
        self._cfg = cfg

    def begin_request(self, scope: dict[str, Any], receive: Receive, send: Send) -> ASGIRequest:
        """The application is about to be called with ``scope``."""
        headers = dict(scope["headers"])
        if b"x-request-start" in headers or b"x-queue-start" in headers:
            self._observe_queue_time(headers, scope)
        journal = self._journal
        method, method_code, known = self._methods.get(scope["method"], self._other_method)
        try:
            cell = journal.free.pop()
        except IndexError:
            cell = SCRATCH_CELL
        request = ASGIRequest(self, journal, cell, method, known, scope, receive, send)
        request.start = monotonic()
        self._enter(request, method_code)
        return request

    @property
    def beginning_of_request(self) -> Callable[[dict[str, Any], Receive, Send], ASGIRequest]:
        """What a request begins with: `begin_request`, and what the settings ask for besides."""
        return self._begin_request_apart if self._tells_apart else self.begin_request

    def _begin_request_apart(self, scope: dict[str, Any], receive: Receive, send: Send) -> ASGIRequest:
        request = self.begin_request(scope, receive, send)
        self._tell_apart(request, scope.get("scheme", "http"), scope["path"])
        return request

    def begin_websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> WebSocket:
        """The application is about to be called with the ``scope`` of a websocket."""
        return WebSocket(self, scope, receive, send)

    def complete(self, request: ASGIRequest) -> None:
        """The last byte of ``request`` is out, or nothing more will come."""
        now = monotonic()
        request.is_complete = True
        if not request.status:
            request.status = request.status_without_response()
        self.name(request, request.scope, request.status)
        self._write(request, now, request.received, request.sent, request.status)

    def conclude(self, request: ASGIRequest, error: BaseException | None) -> None:
        """The application is done with ``request``; ``error`` is what it raised."""
        if error is not None:
            error = the_one_inside(error)
        cut_short = False
        if not request.is_complete:
            cut_short = self._settle(request, error)
        escaped = None if error is None or request.is_clients_doing(error) else error
        # A framework may answer an exception and then raise it again, for the server to see.
        if escaped is not None and request.is_handled(escaped) and not cut_short:
            escaped = None
        if escaped is not None:
            request.unhandled(escaped, SOURCE)
        if cut_short or escaped is not None or request.exceptions is not None or request.client_left:
            self._write_troubles(request, Outcome(request.status, cut_short, escaped))

    def name(self, note: RequestNote, scope: dict[str, Any], status: int) -> None:
        """Ask the bridges about a request, or websocket, that no route was given."""
        if note.template is None or note.template == UNMATCHED:
            for name in self.unrouted:
                try:
                    name(scope, note, status)
                except Exception as error:
                    # It asks the application's routes, which may raise anything, and the request is to be counted.
                    self.report("bridge", error)

    def connection_of(self, receive: Receive) -> object:
        connection = self.server.connection_of(receive)
        return _UNKNOWN if connection is None else connection

    def is_gone(self, connection: object) -> bool:
        """Whether it is known that the client is."""
        return connection is not _UNKNOWN and self.server.is_gone(connection)

    def may_be_gone(self, connection: object) -> bool:
        """Whether a disconnect message is to be believed: a server may send one for other reasons."""
        return connection is _UNKNOWN or self.server.is_gone(connection)

    def _enter(self, request: ASGIRequest, method_code: int) -> None:
        status_word, start_word, method_word, length_word, _ = request.cell
        words, doubles = self._journal.words, self._journal.doubles
        doubles[start_word] = request.start
        words[method_word] = method_code
        words[length_word] = 0
        words[status_word] = NO_RESPONSE_YET
        self._in_progress += 1.0
        self._gauges.cells[self._in_progress_cell] = self._in_progress
        if self._in_progress == 1.0 and not self.is_held:
            self._busy_since = request.start
            doubles[BUSY_WORD] = self._busy - request.start

    def _settle(self, request: ASGIRequest, error: BaseException | None) -> bool:
        """Complete a request whose response the application did not complete. Whether it was cut short."""
        is_gone = request.see_whether_client_left()
        cut_short = is_gone or request.status != 0
        if not request.status:
            request.status = request.status_without_response() if is_gone else 500
            if not is_gone and request.method != "HEAD" and (error is None or isinstance(error, Exception)):
                request.sent = _PAGE
        self.complete(request)
        return cut_short

    def _observe_queue_time(self, headers: dict[bytes, bytes], scope: dict[str, Any]) -> None:
        environ = {name: headers[header].decode("latin-1") for header, name in _QUEUE_HEADERS if header in headers}
        with self._lock:
            self._queue_time.observe(environ, Peer(scope.get("client"), self._cfg))

    def _dropped(self, family: str) -> None:
        with self._lock:
            self._troubles.dropped(family)
