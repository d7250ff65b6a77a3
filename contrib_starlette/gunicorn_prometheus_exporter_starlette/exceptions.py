"""Exceptions that somebody answers, and those for which there is only a 500.

Starlette keeps the handlers of an application in a table, and hands each the connection and the exception. What no
handler takes reaches the outermost middleware, which makes a 500 of it and raises it again for the server to see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from functools import wraps
from types import CodeType
from typing import Any, Final

from starlette._utils import is_async_callable
from starlette.exceptions import HTTPException

from gunicorn_prometheus_exporter.note import RequestNote, note_of

Handler = Callable[[Any, Exception], Any]
Init = Callable[..., None]
Wrap = Callable[[type, str, Callable[[Any], Any]], None]

_ROUTERS: Final = frozenset({"starlette.routing", "fastapi.routing", "starlette.endpoints"})
_TURNING_AWAY: Final = frozenset({"not_found", "handle", "method_not_allowed"})


def note_what_handlers_get(init: Init) -> Init:
    """``__init__`` of the middleware that has an application's handlers, wrapped: each of them notes what it gets."""

    @wraps(init)
    def noting_init(middleware: Any, *args: Any, **kwargs: Any) -> None:
        init(middleware, *args, **kwargs)
        for table in (middleware._exception_handlers, middleware._status_handlers):
            _note_what_is_handled(table)

    return noting_init


def note_server_errors(middleware: type, wrap: Wrap) -> None:
    """Have the outermost ``middleware`` note what it makes a 500 of."""

    def noting(answer: Callable[[Any, Any, Exception], Any]) -> Callable[[Any, Any, Exception], Any]:
        @wraps(answer)
        def noting_answer(self: Any, request: Any, exc: Exception) -> Any:
            note_of(request.scope).unhandled(exc, source_of(request.scope))
            return answer(self, request, exc)

        return noting_answer

    def noting_handler(init: Init) -> Init:
        @wraps(init)
        def noting_init(self: Any, *args: Any, **kwargs: Any) -> None:
            init(self, *args, **kwargs)
            if self.handler is not None:
                self.handler = _last_resort(self.handler)

        return noting_init

    wrap(middleware, "error_response", noting)
    wrap(middleware, "debug_response", noting)
    wrap(middleware, "__init__", noting_handler)


def source_of(scope: MutableMapping[str, Any]) -> str:
    """Whose application serves ``scope``: ``fastapi`` or ``starlette``."""
    fastapi = sys.modules.get("fastapi")
    return "fastapi" if fastapi is not None and isinstance(scope.get("app"), fastapi.FastAPI) else "starlette"


def is_error(error: BaseException) -> bool:
    """Whether ``error`` is one that somebody raised for a reason other than to say where to go.

    What the router raises, for a path or a method that no route has, is no exception of the application: the status
    says it all.
    """
    if not isinstance(error, HTTPException):
        return True
    return error.status_code >= 400 and not _is_from_router(error)


def _note_what_is_handled(table: MutableMapping[Any, Handler]) -> None:
    for key, handler in table.items():
        table[key] = _noting(handler, _handled)


def _last_resort(handler: Handler) -> Handler:
    """The user's handler for ``Exception`` or 500. What it answers below 500, it has handled."""
    return _noting(handler, _unhandled, _judged)


def _handled(note: RequestNote, error: Exception, source: str) -> None:
    note.handled(error, source)


def _unhandled(note: RequestNote, error: Exception, source: str) -> None:
    note.unhandled(error, source)


def _judged(note: RequestNote, error: Exception, source: str, response: Any) -> None:
    if getattr(response, "status_code", 500) < 500:
        note.handled(error, source)


Say = Callable[[RequestNote, Exception, str], None]
Judge = Callable[[RequestNote, Exception, str, Any], None]


def _noting(handler: Handler, say: Say, judge: Judge | None = None) -> Handler:
    """``handler``, which tells the note before it answers, and if there is a ``judge``, with its answer."""

    def before(connection: Any, error: Exception) -> tuple[RequestNote, str]:
        note, source = note_of(connection.scope), source_of(connection.scope)
        if is_error(error):
            say(note, error, source)
        return note, source

    if is_async_callable(handler):

        async def noting_coroutine(connection: Any, error: Exception) -> Any:
            note, source = before(connection, error)
            response = await handler(connection, error)
            if judge is not None:
                judge(note, error, source, response)
            return response

        return noting_coroutine

    def noting(connection: Any, error: Exception) -> Any:
        note, source = before(connection, error)
        response = handler(connection, error)
        if judge is not None:
            judge(note, error, source, response)
        return response

    return noting


def _is_from_router(error: BaseException) -> bool:
    traceback = error.__traceback__
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    code: CodeType = frame.f_code
    return frame.f_globals.get("__name__") in _ROUTERS and code.co_name in _TURNING_AWAY
