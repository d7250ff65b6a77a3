"""The middleware: names the endpoint of each request, and sees the exceptions of views before any other middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote

from .exceptions import SOURCE
from .options import read_options
from .request_note import note_of_request
from .route import template_of

MIDDLEWARE: Final = "gunicorn_prometheus_exporter_django.middleware.PrometheusMiddleware"
APP: Final = "gunicorn_prometheus_exporter_django"


class PrometheusMiddleware:
    """Belongs at the end of ``MIDDLEWARE``, where the app puts it by itself.

    Last, it is the first to see what a view raises, and nothing comes between it and the router. In an asynchronous
    handler it is asynchronous, and sends no request through a thread. Raises ImproperlyConfigured, as the server
    starts, if the app is missing from ``INSTALLED_APPS`` or an option is wrong.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not apps.is_installed(APP):
            raise ImproperlyConfigured(f"{MIDDLEWARE} needs {APP!r} in INSTALLED_APPS")
        options, problems = read_options()
        if problems:
            raise ImproperlyConfigured(" ".join(f"{problem.message} {problem.hint}" for problem in problems))
        self.get_response = get_response
        self._prefix = options.prefix
        self._by_route = options.label == "route"
        self._is_async = iscoroutinefunction(get_response)
        # Django calls what is no coroutine function in a thread, if it is asynchronous itself.
        self.process_view: Callable[..., Any] = self._view_async if self._is_async else self._view
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._call_async(request)
        response: HttpResponseBase = self.get_response(request)
        self._name_at_last(request)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        self._name_at_last(request)
        return response

    def _view(self, request: HttpRequest, *_: object) -> None:
        # As early as this, so that it is known what a worker is busy with when it is killed for its timeout.
        setattr(request, _IS_NAMED, True)
        self._name(request)

    async def _view_async(self, request: HttpRequest, *_: object) -> None:
        self._view(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        # Another middleware may answer it now, which no one else would be told of.
        note_of_request(request).handled(exception, SOURCE)

    def _name_at_last(self, request: HttpRequest) -> None:
        # An earlier middleware's process_view may have answered, so that ours was not called.
        if not hasattr(request, _IS_NAMED):
            self._name(request)

    def _name(self, request: HttpRequest) -> None:
        note = note_of_request(request)
        match = request.resolver_match
        template = UNMATCHED if match is None else self._template(match)
        if self._prefix is not None:
            note.endpoint(template if match is None else self._prefix + template)
        elif hasattr(request, "scope"):
            # In ASGI, whoever mounts an application says so in the note.
            note.endpoint(template)
        else:
            note.endpoint(template, _as_received(request, note))

    def _template(self, match: ResolverMatch) -> str:
        # Django gives every match a route; one that a middleware made by hand may have none.
        return template_of(match.route or "") if self._by_route else f"/{match.view_name}"


_IS_NAMED: Final = "_gunicorn_prometheus_exporter_is_named"


def _as_received(request: HttpRequest, note: RequestNote) -> Mapping[str, Any]:
    """The ``environ`` as it was before Django decoded the paths in it, and made a missing one a slash."""
    environ: Mapping[str, Any] = request.META
    path, script_name = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
    if path == "/" and not note.path.endswith("/"):
        path = ""
    elif path.isascii() and script_name.isascii():
        return environ
    return {**environ, "PATH_INFO": _latin1(path), "SCRIPT_NAME": _latin1(script_name)}


def _latin1(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")
