"""The request note: the one object through which a framework's bridge tells the server what only it can see.

A worker puts a fresh note into the WSGI ``environ`` of each request. It is one mutable object, so that a mounted
application that copies ``environ`` still shares it. A bridge gets it with `note_of` and uses three verbs:
``endpoint``, ``handled`` and ``unhandled``. Everything else, time, size, status and count, is the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

NOTE_KEY: Final = "gunicorn_prometheus_exporter.note"

_MAX_EXCEPTIONS: Final = 16


class NotedException(NamedTuple):
    """An exception that a bridge saw: its class name, what became of it, who saw it and which object it was."""

    error_type: str
    handled: bool
    source: str
    identity: int


class RequestNote:
    """What is known about one request beyond what the server sees by itself."""

    __slots__ = ("exceptions", "template")

    def __init__(self) -> None:
        self.template: str | None = None
        self.exceptions: list[NotedException] | None = None

    def endpoint(self, template: str) -> None:
        """The request was routed to ``template``, a route such as ``/users/<int:id>``, never a client's path."""
        self.template = template

    def handled(self, error: BaseException, source: str) -> None:
        """``error`` was raised, and the framework ``source`` or its user answered it."""
        self._note(error, True, source)

    def unhandled(self, error: BaseException, source: str) -> None:
        """``error`` was raised and nobody handled it: it becomes a 500, or escapes to the server."""
        self._note(error, False, source)

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        if self.exceptions is None:
            self.exceptions = []
        elif any(noted.identity == id(error) for noted in self.exceptions):
            return
        if len(self.exceptions) < _MAX_EXCEPTIONS:
            self.exceptions.append(NotedException(type(error).__name__, handled, source, id(error)))


class _NoNote(RequestNote):
    """The note of a request that no instrumented worker serves: it forgets everything."""

    __slots__ = ()

    def endpoint(self, template: str) -> None:
        pass

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        pass


_NO_NOTE: Final = _NoNote()


def note_of(environ: Mapping[str, Any]) -> RequestNote:
    """The note of the request that ``environ`` describes. Outside an instrumented worker, one that does nothing."""
    note = environ.get(NOTE_KEY)
    return note if isinstance(note, RequestNote) else _NO_NOTE
