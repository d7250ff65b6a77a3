"""Exceptions outside the middleware: of other middlewares, of error handlers, and which of all became a 500.

Django asks one function for the response to an exception, at every layer: ``response_for_exception``. It sends the
signal ``got_request_exception`` when it has none but the 500. No public hook tells of a middleware's ``Http404`` or
``PermissionDenied``, nor of a ``DisallowedHost``, so that function is wrapped.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any, Final

from django.core.handlers import exception as handlers
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404

from .request_note import note_of_request

SOURCE: Final = "django"

_WATCHED: Final = "_gunicorn_prometheus_exporter_watches"


def watch_exceptions() -> None:
    """Have every exception noted from now on. Safe to call again."""
    got_request_exception.connect(_became_a_500, dispatch_uid=_WATCHED)
    answer = handlers.response_for_exception
    if hasattr(answer, _WATCHED):
        return

    @wraps(answer)
    def response_for_exception(request: HttpRequest, exc: Exception) -> HttpResponseBase:
        # The router's way to say that there is no such path is no exception of the application.
        if isinstance(exc, Resolver404):
            return answer(request, exc)
        note = note_of_request(request)
        # Django answers it now. If not, the signal says so.
        note.handled(exc, SOURCE)
        try:
            return answer(request, exc)
        except Exception as error:
            # The user's error page failed. On its way through a task group, which Django's ASGI handler has from 6.1
            # on, this one loses what it was raised from.
            note.unhandled(error, SOURCE)
            raise

    setattr(response_for_exception, _WATCHED, True)
    handlers.response_for_exception = response_for_exception


def _became_a_500(sender: object, request: HttpRequest | None = None, **_: Any) -> None:
    # Libraries send this signal too, with a sender, of exceptions that they answer themselves.
    error = sys.exc_info()[1]
    if sender is None and request is not None and error is not None:
        note_of_request(request).unhandled(error, SOURCE)
