"""The request note: the one object through which a framework's bridge tells the server what only it can see.

A worker puts a fresh note into the WSGI ``environ`` of each request. It is one mutable object, so that a mounted
application that copies ``environ`` still shares it. A bridge gets it with `note_of` and uses three verbs:
``endpoint``, ``handled`` and ``unhandled``. Everything else, time, size, status and count, is the server's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .catalogue import UNMATCHED as UNMATCHED

NOTE_KEY: Final = "gunicorn_prometheus_exporter.note"

_MAX_TEMPLATE: Final = 200
_MAX_ERROR_TYPE: Final = 100
_MAX_EXCEPTIONS: Final = 16
_MAX_CHAIN: Final = 32


class NotedException(NamedTuple):
    """An exception that a bridge saw: its class name, what became of it and who saw it.

    ``attributes`` is the exception's own ``__dict__``, by which the same exception is known again. An ``id`` would
    do only while the exception lives, and the exception itself would keep its traceback with all frames. ``successor``
    is the same of the last exception that was raised from it, as far as it was told of: some code takes from one what
    it was raised from.
    """

    error_type: str
    handled: bool
    source: str
    attributes: dict[str, Any]
    successor: dict[str, Any] | None = None


class RequestNote:
    """What is known about one request beyond what the server sees by itself.

    ``template`` and ``exceptions`` are what the verbs made of it, None if nothing was said. ``path`` is the
    ``PATH_INFO`` of the router that spoke last, first the server's; ``prefix`` is where that router is mounted.
    """

    __slots__ = ("exceptions", "path", "prefix", "template")

    def __init__(self, path: str = "") -> None:
        self.template: str | None = None
        self.exceptions: list[NotedException] | None = None
        self.path = path
        self.prefix = ""

    def endpoint(self, template: str, environ: Mapping[str, Any] | None = None) -> None:
        """The request was routed to ``template``, a route such as ``/users/<int:id>``, never a client's path.

        `UNMATCHED` says that the router found nothing. With the ``environ`` that the router saw, the template is
        joined to the place where the router is mounted: the template of the router outside, without its
        catch-all, or else the path that a dispatcher moved to ``SCRIPT_NAME``. A prefix that came with a header, be
        it ``SCRIPT_NAME``, ``X-Script-Name`` or ``X-Forwarded-Prefix``, is the client's word and no part of it.
        Said again by the same router, the last template counts. Templates are cut at 200 characters.
        """
        if environ is not None and environ.get("PATH_INFO") != self.path and not self._descend(environ):
            return
        if self.prefix and template != UNMATCHED:
            template = self.prefix + template
        self._name(template)

    def handled(self, error: BaseException, source: str) -> None:
        """``error`` was raised, and the framework ``source`` or its user answered it."""
        self._note(the_one_inside(error), True, source)

    def unhandled(self, error: BaseException, source: str) -> None:
        """``error`` was raised and nobody handled it: it becomes a 500, or escapes to the server."""
        self._note(the_one_inside(error), False, source)

    def is_handled(self, error: BaseException) -> bool:
        """Whether the last thing said of ``error``, or of one that it was raised from, is that it was handled."""
        index = self._index_of(the_one_inside(error))
        return index is not None and self.exceptions is not None and self.exceptions[index].handled

    def _name(self, template: str) -> None:
        self.template = label_of(template)

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        """Note ``error`` unless it, or one that it was raised from, is noted: then only the verdict is new."""
        noted = self.exceptions
        if noted is None:
            noted = self.exceptions = []
        index = self._index_of(error)
        if index is not None:
            known, attributes = noted[index], error.__dict__
            successor = known.successor if attributes is known.attributes else attributes
            noted[index] = known._replace(handled=handled, successor=successor)
            return
        # The last place stays for the last exception: it is the one that ends the request, if one does.
        del noted[_MAX_EXCEPTIONS - 1 :]
        name = label_of(type(error).__name__)[:_MAX_ERROR_TYPE]
        noted.append(NotedException(name, handled, source, error.__dict__))

    def _index_of(self, error: BaseException) -> int | None:
        """Where in ``exceptions`` ``error`` is, or one that it was raised from."""
        for link in _chain(error):
            attributes = link.__dict__
            for index, known in enumerate(self.exceptions or ()):
                if known.attributes is attributes or known.successor is attributes:
                    return index
        return None

    def _descend(self, environ: Mapping[str, Any]) -> bool:
        """The router of ``environ`` is not the one that spoke before. False if it is further outside."""
        path = environ.get("PATH_INFO", "")
        unmatched = self.template is None or self.template == UNMATCHED
        moved = self.path.removesuffix(path).rstrip("/")
        # A mount that was asked for without its trailing slash may be given one by whoever dispatches to it.
        is_below = path in {"", "/"} or self.path.endswith(path)
        if moved and is_below and environ.get("SCRIPT_NAME", "").endswith(moved):
            if not unmatched:
                self.prefix += _mount_point((self.template or "").removeprefix(self.prefix), moved)
            elif not _is_in_a_header(moved, environ):
                self.prefix += moved.rstrip("/").encode("latin-1", "replace").decode("utf-8", "replace")
        elif not unmatched and path.endswith(self.path):
            return False
        self.path = path
        return True


class _NoNote(RequestNote):
    """The note of a request that no instrumented worker serves: it forgets everything."""

    __slots__ = ()

    def endpoint(self, template: str, environ: Mapping[str, Any] | None = None) -> None:
        pass

    def _note(self, error: BaseException, handled: bool, source: str) -> None:
        pass


_NO_NOTE: Final = _NoNote()


def note_of(environ: Mapping[str, Any]) -> RequestNote:
    """The note of the request that ``environ`` describes. Outside an instrumented worker, one that does nothing."""
    note = environ.get(NOTE_KEY)
    return note if isinstance(note, RequestNote) else _NO_NOTE


def label_of(text: str) -> str:
    """``text`` as a label's value: of bounded length, and valid UTF-8 whatever is in it."""
    return text[:_MAX_TEMPLATE].encode("utf-8", "replace").decode("utf-8")


def _mount_point(template: str, moved: str) -> str:
    """The part of ``template`` that matched ``moved``: its first segments, as many, without a catch-all."""
    segments = template.split("/")[: moved.rstrip("/").count("/") + 1]
    return "/".join(segments).partition("*")[0].rstrip("/")


def the_one_inside(error: BaseException) -> BaseException:
    """``error``, or the one exception in it if it is a group of one, which task groups make of what a task raised."""
    for _ in range(_MAX_CHAIN):
        # Python 3.10 has groups from a package only.
        if not any(base.__name__ == "BaseExceptionGroup" for base in type(error).__mro__):
            break
        inside: tuple[BaseException, ...] = error.exceptions  # type: ignore[attr-defined]
        if len(inside) != 1:
            break
        error = inside[0]
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and those it was raised from or while handling, the latest first. They may be chained in a circle."""
    link: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _is_in_a_header(prefix: str, environ: Mapping[str, Any]) -> bool:
    """Whether a header spells ``prefix`` or some segments of it, so that a client may have chosen it.

    Those for content negotiation do not count: ``Accept-Language: de`` says nothing about a mount at ``/de``.
    """
    segments = f"/{prefix.strip('/')}/"
    for name, value in environ.items():
        if name.startswith("HTTP_") and not name.startswith("HTTP_ACCEPT") and isinstance(value, str):
            for word in value.split(","):
                spelled = word.strip(" /")
                if spelled and f"/{spelled}/" in segments:
                    return True
    return False
