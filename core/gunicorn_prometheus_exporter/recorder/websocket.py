"""One websocket of an ASGI application: the note that the bridges see, and what passes by on its way."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ..catalogue import UNROUTED
from ..note import RequestNote, the_one_inside
from .asgi_request import Message, Receive, Send, is_disconnect
from .outcome import CLIENT_CLOSED_REQUEST

if TYPE_CHECKING:
    from .asgi_recorder import ASGIRecorder
    from .websocket_series import WebSocketCells

_NORMAL: Final = 1000
_SWITCHING: Final = 101


class WebSocket(RequestNote):
    """A websocket that is being recorded. ``receive`` and ``send`` are for the application, and pass on the server's.

    Its numbers move when something happens: nobody can wait for the end of what may last for days. ``_refusal`` is the
    status of the only answer that was counted: of a refusal, or of whatever an excluded endpoint said.
    """

    __slots__ = ("_cells", "_code", "_opened", "_receive", "_recorder", "_refusal", "_scope", "_send")

    def __init__(self, recorder: ASGIRecorder, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        super().__init__(scope["path"])
        self._recorder = recorder
        self._scope = scope
        self._receive = receive
        self._send = send
        self._cells: WebSocketCells | None = None
        self._opened = 0.0
        self._code: int | None = None
        self._refusal = 0

    async def receive(self) -> Message:
        message = await self._receive()
        try:
            if message["type"] == "websocket.receive":
                if self._cells is not None:
                    self._cells.received(_size(message))
            elif message["type"] == "websocket.disconnect":
                self._disconnected(message)
        except Exception as error:
            self._recorder.report("recorder", error)
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        try:
            kind = message["type"]
            if kind == "websocket.send":
                if self._cells is not None:
                    self._cells.sent(_size(message))
            elif kind == "websocket.accept":
                self._accepted()
            elif kind == "websocket.close":
                self._closed(message)
            elif kind == "websocket.http.response.start":
                self._refused(message["status"])
        except Exception as error:
            self._recorder.report("recorder", error)

    def conclude(self, error: BaseException | None) -> None:
        """The application is done with the websocket; ``error`` is what it raised."""
        recorder = self._recorder
        if error is not None:
            error = the_one_inside(error)
        is_own_failure = error is not None and not is_disconnect(error) and not self._is_cancelled(error)
        if error is not None and is_own_failure:
            self.unhandled(error, "asgi")
        if self._cells is None:
            self._refused(500 if is_own_failure else recorder.server.unaccepted)
        else:
            self._close(recorder.server.close_code(self._receive, None))
        if self.exceptions is not None and not self._is_excluded():
            recorder.websockets.exceptions(self.template or UNROUTED, self.exceptions)
            self.exceptions = None

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        if not is_disconnect(error):
            super()._note(error, handled, source)

    def _accepted(self) -> None:
        if self._cells is None and not self._refusal:
            self._recorder.name(self, self._scope, _SWITCHING)
            if self._is_excluded():
                self._refusal = _SWITCHING
                self._recorder.websockets.excluded()
                return
            cells = self._recorder.websockets.cells(self.template)
            self._opened = monotonic()
            cells.opened()
            self._cells = cells

    def _disconnected(self, message: Message) -> None:
        if self._cells is None:
            self._refused(CLIENT_CLOSED_REQUEST)
        else:
            self._close(self._recorder.server.close_code(self._receive, message.get("code")))

    def _closed(self, message: Message) -> None:
        if self._cells is None:
            self._refused(403)
        else:
            self._close(message.get("code", _NORMAL))

    def _refused(self, status: int) -> None:
        if not self._refusal:
            self._refusal = status
            self._recorder.name(self, self._scope, status)
            if self._is_excluded():
                self._recorder.websockets.excluded()
            else:
                self._recorder.websockets.refused(self.template, status)

    def _is_excluded(self) -> bool:
        exclusion = self._recorder.exclusion
        return exclusion is not None and exclusion.covers(self.template, self.prefix + self.path)

    def _close(self, code: int) -> None:
        if self._code is None and self._cells is not None:
            self._code = code
            self._cells.closed(monotonic() - self._opened)
            self._recorder.websockets.closed(self._cells.endpoint, code)

    def _is_cancelled(self, error: BaseException) -> bool:
        return self._code is not None and isinstance(error, (asyncio.CancelledError, OSError))


def _size(message: Message) -> int:
    data = message.get("bytes")
    if data is not None:
        return len(data)
    text: str = message.get("text") or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
