"""The ASGI seam: the application, called with a note in its scope and with ``receive`` and ``send`` that count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..failures import Failures
from ..note import NOTE_KEY
from ..recorder.asgi_recorder import ASGIRecorder
from ..recorder.asgi_request import ASGIRequest, Receive, Send
from ..recorder.websocket import WebSocket

ASGIApplication = Callable[[dict[str, Any], Receive, Send], Awaitable[Any]]


class InstrumentedASGIApp:
    """Calls ``app`` with a note in the scope of each request and websocket. Lifespan is passed on as it is.

    There is no task, queue or thread here: a wait of the server's is the application's wait.
    """

    def __init__(self, app: ASGIApplication, recorder: ASGIRecorder, failures: Failures) -> None:
        self.app = app
        self._begin: dict[str, Callable[..., ASGIRequest | WebSocket]] = {
            "http": recorder.beginning_of_request,
            "websocket": recorder.begin_websocket,
        }
        self._failures = failures

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> Any:
        begin = self._begin.get(scope["type"])
        if begin is None:
            return await self.app(scope, receive, send)
        try:
            note = begin(scope, receive, send)
        except Exception as failure:
            self._failures.report("recorder", failure)
            return await self.app(scope, receive, send)
        scope[NOTE_KEY] = note
        try:
            result = await self.app(scope, note.receive, note.send)
        except BaseException as error:
            self._conclude(note, scope, error)
            raise
        self._conclude(note, scope, None)
        return result

    def _conclude(self, note: ASGIRequest | WebSocket, scope: dict[str, Any], error: BaseException | None) -> None:
        try:
            note.conclude(error)
        except Exception as failure:
            self._failures.report("recorder", failure)
        # The note holds the scope: nobody shall have to look for the circle.
        scope.pop(NOTE_KEY, None)
        self._failures.flush()
