"""Django REST framework answers a view's exceptions itself, inside the view: no middleware and no signal is told."""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.response import Response
from rest_framework.views import APIView

from .exceptions import SOURCE
from .request_note import note_of_request

_WATCHED: Final = "_gunicorn_prometheus_exporter_watches"


def watch_rest_framework() -> None:
    """Have every exception that ``APIView.handle_exception`` gets noted from now on. Safe to call again."""
    handle = APIView.handle_exception
    if hasattr(handle, _WATCHED):
        return

    @wraps(handle)
    def handle_exception(view: APIView, exc: Exception) -> Response:
        request = getattr(view, "request", None)
        if not _is_routing(view, request, exc):
            # It answers it now, or raises it for Django to see.
            note_of_request(request).handled(exc, SOURCE)
        return handle(view, exc)

    setattr(handle_exception, _WATCHED, True)
    APIView.handle_exception = handle_exception


def _is_routing(view: APIView, request: Any, exc: Exception) -> bool:
    """Whether ``exc`` only says that the view has no such method, which Django's own views say without exception."""
    if not isinstance(exc, MethodNotAllowed) or request is None:
        return False
    method = request.method.lower()
    return method not in view.http_method_names or not hasattr(view, method)
