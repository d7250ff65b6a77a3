"""The tween that sees exceptions as they were raised, and the subscriber that sees which of them were answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pyramid.exceptions import URLDecodeError

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote, note_of

from .subrequest import outer_request
from .verdict import is_error

SOURCE: Final = "pyramid"
ERROR_TWEEN: Final = f"{__name__}.error_tween_factory"

Handler = Callable[[Any], Any]


def error_tween_factory(handler: Handler, registry: Any) -> Handler:
    """Under Pyramid's EXCVIEW tween: the first to see what the application raised."""

    def error_tween(request: Any) -> Any:
        try:
            return handler(request)
        except Exception as error:
            _note_raised(request, error)
            raise

    return error_tween


def note_answered(event: Any) -> None:
    """A NewResponse subscriber, after all tweens: notes an exception that an exception view answered.

    The tween below saw it, unless another tween raised it, as one does that cannot commit a transaction.
    """
    request = event.request
    error = request.exception
    if error is not None and is_error(error):
        note_of((outer_request(request) or request).environ).handled(error, SOURCE)


def _note_raised(request: Any, error: Exception) -> None:
    """Note ``error`` as handled: an exception view, a tween further out or a retry may still answer it.

    If nobody does, it reaches the server, which says so itself. That leaves a tween that turns it into a 500.
    """
    outer = outer_request(request)
    note = note_of((outer or request).environ)
    if isinstance(error, URLDecodeError) and outer is None and request.matched_route is None:
        # The router gave up before it told anybody.
        note.endpoint(UNMATCHED, request.environ)
    if is_error(error):
        note.handled(error, SOURCE)
        request.add_response_callback(partial(_judge, note, error))


def _judge(note: RequestNote, error: Exception, request: Any, response: Any) -> None:
    """A response callback: there is a response after all. A 500 is no answer, unless `note_answered` says so next."""
    if response.status_code >= 500:
        note.unhandled(error, SOURCE)
