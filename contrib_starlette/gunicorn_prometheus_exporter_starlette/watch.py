"""Where the bridge is put into the framework: once for a process, by wrapping a few methods of Starlette's classes.

The application is not changed, and an application without the exporter's workers never comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute

from gunicorn_prometheus_exporter.note import RequestNote

from .exceptions import note_server_errors, note_what_handlers_get
from .routes import name_unrouted, note_route

NameUnrouted = Callable[[MutableMapping[str, Any], RequestNote, int], None]

_WATCHED = "_gunicorn_prometheus_exporter_watches"


def watch() -> NameUnrouted:
    """Have every route and exception noted from now on. Safe to call again.

    Returns what names a request that no route was given: for the worker, when the response is out.
    """
    for cls in _with_subclasses(BaseRoute):
        # A class that only inherits it, or that calls its parent's, is noted there.
        if "handle" in vars(cls):
            _wrap(cls, "handle", note_route)
    for cls in _with_subclasses(ExceptionMiddleware):
        if "__init__" in vars(cls):
            _wrap(cls, "__init__", note_what_handlers_get)
    note_server_errors(ServerErrorMiddleware, _wrap)
    return name_unrouted


def _wrap(cls: type, name: str, wrapper: Callable[[Any], Any]) -> None:
    method = vars(cls)[name]
    if not hasattr(method, _WATCHED):
        wrapped = wrapper(method)
        setattr(wrapped, _WATCHED, True)
        setattr(cls, name, wrapped)


def _with_subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)
