"""The tween that sees exceptions as they were raised, and the callback that sees which of them were answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pyramid.exceptions import URLDecodeError

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote, note_of

from .route import ROUTES, Routes
from .subrequest import outer_request
from .verdict import is_error

SOURCE: Final = "pyramid"
ERROR_TWEEN: Final = f"{__name__}.error_tween_factory"

Handler = Callable[[Any], Any]


def error_tween_factory(handler: Handler, registry: Any) -> Handler:
    """Under Pyramid's EXCVIEW tween: the first to see what the application raised."""
    routes: Routes | None = registry.get(ROUTES)

    def error_tween(request: Any) -> Any:
        # Tweens further out may yet raise what an exception view of Pyramid's own answers.
        request.response_callbacks.append(note_answered)
        try:
            return handler(request)
        except Exception as error:
            if routes is not None:
                routes.note_unviewed(request)
            _note_raised(request, error)
            raise

    return error_tween


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


def note_answered(request: Any, response: Any) -> None:
    """A response callback, after all tweens: notes the exception that an exception view answered.

    The tween below saw it, unless another tween raised it, as one does that cannot commit a transaction.
    """
    error = request.exception
    if error is not None and is_error(error):
        note_of((outer_request(request) or request).environ).handled(error, SOURCE)


def _judge(note: RequestNote, error: Exception, request: Any, response: Any) -> None:
    """A response callback: there is a response after all. A 500 is no answer, unless an exception view gave it."""
    if response.status_code >= 500:
        note.unhandled(error, SOURCE)
    note_answered(request, response)
