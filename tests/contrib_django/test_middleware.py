"""What the middleware must not disturb, and when it knows what it knows."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

from gunicorn_prometheus_exporter.note import RequestNote, note_of
from tests.contrib_django.conftest import MIDDLEWARE, Seen


def mounted_at(prefix: str, path: str, **headers: str) -> dict[str, Any]:
    """What a dispatcher that is not Django makes of a request, told to the note by no one."""
    return {"note": RequestNote(prefix + path), "SCRIPT_NAME": prefix, **headers}


@pytest.mark.parametrize(
    ("prefix", "path", "endpoint"),
    [
        ("/legacy", "/ok/", "/legacy/ok/"),
        ("/legacy", "/", "/legacy/"),
        ("/legacy", "", "/legacy/"),
        ("/legacy", "/old/a/7/", "/legacy/old/<kind>/<int:pk>/"),
        ("/legacy", "/no/such/", "__unmatched__"),
    ],
)
def test_mounted(ask: Callable[..., Seen], prefix: str, path: str, endpoint: str) -> None:
    """Under a prefix the template has it too, also for the prefix alone."""
    environ = mounted_at(prefix, path)
    assert ask(path or "/", PATH_INFO=path, **environ).endpoint == endpoint


def test_mounted_with_a_path_beyond_ascii(ask: Callable[..., Seen]) -> None:
    """Django decodes the path in environ, which must not hide where it is mounted."""
    path = "/fail/straße/".encode().decode("latin-1")
    environ = mounted_at("/ländle".encode().decode("latin-1"), path)
    assert ask("/", PATH_INFO=path, **environ).endpoint == "/ländle/fail/<error>/"


def test_script_name_of_a_client_is_no_prefix(ask: Callable[..., Seen]) -> None:
    """A SCRIPT_NAME with which the request arrived is not part of a template."""
    assert ask("/ok/", SCRIPT_NAME="/chosen/by/the/client").endpoint == "/ok/"
    assert ask("/ok/", settings={"FORCE_SCRIPT_NAME": "/public"}).endpoint == "/ok/"


def test_inner_template_joins_the_outer(ask: Callable[..., Seen]) -> None:
    """A router outside has said where Django is."""
    note = RequestNote("/shops/7/ok/")
    note.endpoint("/shops/<id>/<path:rest>")
    assert ask("/ok/", note=note, SCRIPT_NAME="/shops/7").endpoint == "/shops/<id>/ok/"


def test_endpoint_is_known_in_the_view(monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Seen]) -> None:
    """As early as that, so that a request that never ends has a name."""
    from tests.contrib_django.project import views

    known: list[str | None] = []
    original = views.OnlyGet.get

    def get(self: Any, request: Any) -> HttpResponse:
        known.append(note_of(request.META).template)
        return original(self, request)

    monkeypatch.setattr(views.OnlyGet, "get", get)
    assert ask("/only-get/").endpoint == "/only-get/"
    assert known == ["/only-get/"]


def test_endpoint_is_said_once(monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Seen]) -> None:
    """The hot path says it in one go, not before and after the view."""
    said: list[str] = []
    monkeypatch.setattr(RequestNote, "endpoint", lambda self, template, environ=None: said.append(template))
    ask("/ok/")
    assert said == ["/ok/"]


def test_body_is_left_to_the_view(ask: Callable[..., Seen]) -> None:
    """A view can read the request as a stream, which nobody can who comes after a look at request.POST."""
    seen = ask("/body/", "POST", body=b"a=1&b=2", content_type="application/x-www-form-urlencoded")
    assert seen.body == b"7"


@pytest.mark.parametrize("path", ["/ok/?instead", "/exempt/", "/no/such/"])
def test_unread_body_stays_unread(ask: Callable[..., Seen], path: str) -> None:
    """What the application does not read, nobody reads: it would wait for a slow client."""
    body = io.BytesIO(b"a=1")
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "3", "content_type": "application/x-www-form-urlencoded"}
    ask(path, "POST", **environ)
    assert body.tell() == 0


def test_signal_without_an_exception() -> None:
    """Libraries send Django's signal in ways of their own: with a sender, without a request, without an exception."""
    from django.core.signals import got_request_exception

    request = RequestFactory().get("/")
    note = request.META["gunicorn_prometheus_exporter.note"] = RequestNote("/")
    got_request_exception.send(sender=None, request=request)
    try:
        raise ValueError("answered by a library")
    except ValueError:
        got_request_exception.send(sender=None)
        got_request_exception.send(sender=object, request=request)
    assert note.exceptions is None


def test_api_view_without_a_request() -> None:
    """A unit test may ask a REST framework view for its answer to an exception, of no request."""
    from rest_framework.exceptions import NotFound
    from rest_framework.views import APIView

    assert APIView().handle_exception(NotFound()).status_code == 404


@pytest.mark.parametrize("path", ["/ok/", "/no/such/", "/fail/Http404/", "/fail/Answered/"])
def test_test_client(path: str) -> None:
    """Outside a worker the bridge changes nothing."""
    with override_settings(MIDDLEWARE=[*_without_bridge()]):
        without = Client().get(path)
    response = Client().get(path)
    assert (response.status_code, response.content) == (without.status_code, without.content)


def test_test_client_raises_what_a_view_raises() -> None:
    """As it does without the bridge."""
    with pytest.raises(ValueError, match="raised by a view"):
        Client().get("/fail/ValueError/")


def test_asynchronous_handler_without_thread_hops() -> None:
    """In ASGI nothing of the middleware runs in a thread, and the view stays as near as it was."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE]):
        handler = ASGIHandler()
    assert all(map(iscoroutinefunction, handler._view_middleware))
    middleware = handler._middleware_chain.__wrapped__
    assert iscoroutinefunction(middleware)
    assert middleware.get_response.__wrapped__ == handler._get_response_async


def test_asynchronous_client() -> None:
    """Errors in ASGI are Django's as ever."""

    async def ask(path: str) -> int:
        return (await AsyncClient(raise_request_exception=False).get(path)).status_code

    statuses = [asyncio.run(ask(path)) for path in ("/async/", "/fail-async/ValueError/", "/fail/Http404/", "/nope/")]
    assert statuses == [200, 500, 404, 404]


def _without_bridge() -> list[str]:
    from django.conf import settings

    return [entry for entry in settings.MIDDLEWARE if entry != MIDDLEWARE]
