"""One HTTP request to an ASGI application: the note that the bridges see, and what passes by on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ..note import RequestNote
from ..storage.journal import Cell, Journal
from .request import RecordedRequest
from .request_series import KnownEndpoints

if TYPE_CHECKING:
    from .asgi_recorder import ASGIRecorder

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_DISCONNECTS: Final = frozenset({"ClientDisconnect", "ClientDisconnected", "RequestAborted", "WebSocketDisconnect"})
"""What Starlette, the servers, Django and Starlette again raise in the application when the client is gone."""

_MAX_CHAIN: Final = 32
_CONTENT_LENGTH: Final = b"content-length"
_CONTENT_LENGTH_SIZE: Final = len(_CONTENT_LENGTH)


def is_disconnect(error: BaseException) -> bool:
    """Whether ``error``, or one that it was raised from, only says that the client is gone."""
    link: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if link is None:
            return False
        if type(link).__name__ in _DISCONNECTS:
            return True
        link = link.__cause__ or link.__context__
    return False


class ASGIRequest(RecordedRequest):
    """A request that is being recorded. ``receive`` and ``send`` are for the application, and pass on the server's.

    ``received`` and ``sent`` are bytes of the bodies, ``status`` is 0 until the response is started. The request
    ``is_complete`` with the last byte of its response; what the application does afterwards, such as its background
    tasks, is no part of it.
    """

    __slots__ = (
        "_connection",
        "_has_no_body",
        "_length",
        "_receive",
        "_recorder",
        "_send",
        "is_complete",
        "received",
        "scope",
        "sent",
    )

    def __init__(
        self,
        recorder: ASGIRecorder,
        journal: Journal,
        cell: Cell,
        method: str,
        known: KnownEndpoints,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        RequestNote.__init__(self, scope["path"])
        self.journal = journal
        self.cell = cell
        self.method = method
        self.known = known
        self.scope = scope
        self.client_left = False
        self.started = 0.0
        self.received = 0
        self.sent = 0
        self.status = 0
        self.is_complete = False
        self._recorder = recorder
        self._receive = receive
        self._send = send
        self._connection = recorder.connection_of(receive)
        self._has_no_body = False
        self._length: int | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body") or b"")
        elif not self.is_complete and self._recorder.may_be_gone(self._connection):
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            # ASGI's word for a client that is gone.
            self.client_left = True
            raise
        if self.is_complete:
            return
        try:
            if message["type"] == "http.response.body":
                self._body_sent(message)
            elif message["type"] == "http.response.start":
                self._response_started(message)
        except Exception as error:
            self._recorder.report("recorder", error)

    def conclude(self, error: BaseException | None) -> None:
        """The application is done with the request; ``error`` is what it raised."""
        self._recorder.conclude(self, error)

    def see_whether_client_left(self) -> bool:
        """Whether the client is gone, as far as the server or the application noticed."""
        if self._recorder.is_gone(self._connection):
            self.client_left = True
        return self.client_left

    def status_without_response(self) -> int:
        """The status of a request whose client was gone before its response."""
        return self._recorder.server.answered(self._connection)

    def is_clients_doing(self, error: BaseException) -> bool:
        """Whether ``error`` came up because the client is gone."""
        return is_disconnect(error) or (self.client_left and isinstance(error, (asyncio.CancelledError, OSError)))

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        if self.is_clients_doing(error):
            self.client_left = True
        else:
            RequestNote._note(self, error, handled, source)

    def _response_started(self, message: Message) -> None:
        if self._recorder.is_gone(self._connection):
            # The server dropped it: nobody gets this response.
            self.client_left = True
            return
        if self.status:
            return
        self.status = status = message["status"]
        self.journal.words[self.cell[0]] = status if 100 <= status <= 999 else 500
        self._has_no_body = self.method == "HEAD" or status in (204, 304) or status < 200
        for name, value in message.get("headers") or ():
            if len(name) == _CONTENT_LENGTH_SIZE and name.lower() == _CONTENT_LENGTH and value.isdigit():
                self._length = int(value)
        if self._recorder.times_first_byte:
            self.started = monotonic()

    def _body_sent(self, message: Message) -> None:
        if self._recorder.is_gone(self._connection):
            self.client_left = True
        elif not self._has_no_body:
            self.sent += len(message.get("body") or b"")
            # The server sends no more than was announced, and its client may leave as soon as it has that.
            if self._length is not None and self.sent >= self._length:
                self.sent = self._length
                self._recorder.complete(self)
                return
        if self._has_no_body or not message.get("more_body", False):
            self._recorder.complete(self)
