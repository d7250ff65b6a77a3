"""Django, set up once, and requests to it as a worker would make them, without a server."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import django
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from gunicorn_prometheus_exporter.note import NOTE_KEY, RequestNote
from tests.contrib_django.rows import PROJECT
from tests.e2e.conftest import gunicorn as gunicorn
from tests.e2e.conftest import pytest_runtest_makereport as pytest_runtest_makereport

MIDDLEWARE = "gunicorn_prometheus_exporter_django.middleware.PrometheusMiddleware"


class Seen(NamedTuple):
    """``exceptions`` are (class, handled, source); ``status`` is None if an exception escaped."""

    status: int | None
    endpoint: str
    exceptions: tuple[tuple[str, str, str], ...]
    body: bytes


@pytest.fixture(scope="session", autouse=True)
def project() -> None:
    """The project's settings, and its apps."""
    if not settings.configured:
        os.environ["DJANGO_SETTINGS_MODULE"] = f"{PROJECT}.settings"
        django.setup()
        # The servers and commands that tests start have projects of their own.
        del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.fixture
def ask() -> Callable[..., Seen]:
    """``ask(path, method, body=…, settings=…, **environ)``: what a request leaves in its note."""
    return call


def call(
    path: str,
    method: str = "GET",
    *,
    body: bytes = b"",
    settings: dict[str, Any] | None = None,
    note: RequestNote | None = None,
    **extra: Any,
) -> Seen:
    settings = dict(settings or {})
    if "MIDDLEWARE" in settings and MIDDLEWARE not in settings["MIDDLEWARE"]:
        settings["MIDDLEWARE"] = [*settings["MIDDLEWARE"], MIDDLEWARE]
    environ = environ_of(method, path, body, **extra)
    note = environ[NOTE_KEY] = RequestNote(environ["PATH_INFO"]) if note is None else note
    started: list[int] = []
    with override_settings(**settings):
        status, data = None, b""
        try:
            response = WSGIHandler()(environ, lambda status, headers: started.append(int(status[:3])))
            try:
                data = b"".join(response)
            finally:
                response.close()
            status = started[0]
        except BaseException as error:
            # What a worker does.
            note.unhandled(error, "wsgi")
    exceptions = tuple(
        (noted.error_type, "true" if noted.handled else "false", noted.source) for noted in note.exceptions or ()
    )
    return Seen(status, note.template or "__unrouted__", exceptions, data)


def environ_of(method: str, path: str, body: bytes, **extra: Any) -> dict[str, Any]:
    """A request as a server gives it, which that of Django's RequestFactory no longer is: paths not decoded."""
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": extra.pop("content_type", "application/octet-stream"),
        "wsgi.input": io.BytesIO(body),
        **extra,
    }
    setup_testing_defaults(environ)
    return environ
