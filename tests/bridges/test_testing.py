"""The helper that users have for their own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from werkzeug.test import Client

from gunicorn_prometheus_exporter.note import note_of
from gunicorn_prometheus_exporter.testing import ABORTED, EXCEPTIONS, REQUESTS, RecordedMetrics


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    note = note_of(environ)
    note.endpoint("/<what>", environ)
    if environ["PATH_INFO"] == "/raises":
        raise ValueError
    note.handled(KeyError(), "wsgi")
    start_response("201 Created", [("Content-Length", "10")])
    return body(environ["PATH_INFO"] == "/fails")


def body(fails: bool) -> Iterator[bytes]:
    yield b"12345"
    if fails:
        raise ValueError
    yield b"67890"


@pytest.fixture
def metrics() -> RecordedMetrics:
    return RecordedMetrics()


def test_a_request_is_recorded_with_its_exceptions(metrics: RecordedMetrics) -> None:
    client = Client(metrics.wsgi(app))
    for _ in range(2):
        assert client.post("/x", buffered=True).text == "1234567890"
    assert str(metrics) == (
        'gunicorn_http_exceptions_total{endpoint="/<what>",error_type="KeyError",handled="true",method="POST",'
        'source="wsgi"} 2\n'
        'gunicorn_http_requests_total{endpoint="/<what>",method="POST",status="201"} 2'
    )
    assert metrics.labels(REQUESTS) == [{"endpoint": "/<what>", "method": "POST", "status": "201"}]


def test_values_are_sums_over_the_labels_that_are_left_open(metrics: RecordedMetrics) -> None:
    client = Client(metrics.wsgi(app))
    client.get("/x", buffered=True)
    client.post("/x", buffered=True)
    assert metrics.value(REQUESTS) == metrics.value(REQUESTS, status="201") == 2
    assert metrics.value(REQUESTS, method="GET") == 1
    assert metrics.value(REQUESTS, status="404") == metrics.value("no_such_metric") == 0


@pytest.mark.parametrize(("path", "status", "aborted"), [("/raises", "500", 0), ("/fails", "201", 1)])
def test_what_escapes_is_recorded_and_raised(metrics: RecordedMetrics, path: str, status: str, aborted: int) -> None:
    """Before the first byte it becomes the server's 500; after it, the response is cut short."""
    with pytest.raises(ValueError):  # noqa: PT011
        Client(metrics.wsgi(app)).get(path, buffered=True)
    metrics.assert_value(REQUESTS, 1, status=status)
    metrics.assert_value(EXCEPTIONS, 1, error_type="ValueError", handled="false", source="wsgi")
    metrics.assert_value(ABORTED, aborted)


def test_a_failed_assertion_shows_what_was_recorded(metrics: RecordedMetrics) -> None:
    with pytest.raises(AssertionError, match=r'requests_total\{status="200"\} is 0, not 1. Recorded:\nnothing$'):
        metrics.assert_value(REQUESTS, 1, status="200")
    Client(metrics.wsgi(app)).get("/x", buffered=True)
    with pytest.raises(AssertionError, match=r'Recorded:\n(.|\n)*\{endpoint="/<what>",method="GET",status="201"\} 1$'):
        metrics.assert_value(REQUESTS, 1, status="200")


def test_a_closed_response_is_closed_once(metrics: RecordedMetrics) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(1)

    def closing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    Client(metrics.wsgi(closing)).get("/", buffered=True)
    assert closed == [1]


def test_a_handler_as_djangos_client_has(metrics: RecordedMetrics) -> None:
    """It takes an environ and returns a response."""

    def handler(environ: dict[str, Any]) -> Any:
        note_of(environ).endpoint("/x", environ)
        return SimpleNamespace(status_code=200 // environ["divisor"])

    recorded = metrics.handler(handler)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}
    assert recorded({**environ, "divisor": 1}).status_code == 200
    metrics.assert_value(REQUESTS, 1, endpoint="/x", status="200")
    with pytest.raises(ZeroDivisionError):
        recorded({**environ, "divisor": 0})
    metrics.assert_value(REQUESTS, 1, endpoint="/x", status="500")
    metrics.assert_value(EXCEPTIONS, 1, error_type="ZeroDivisionError", handled="false")


def test_a_pyramid_application(metrics: RecordedMetrics) -> None:
    with Configurator() as config:
        config.add_route("x", "/x")
        config.add_view(lambda request: Response("x"), route_name="x")
    Client(metrics.wsgi(config.make_wsgi_app())).get("/x", buffered=True)
    metrics.assert_value(REQUESTS, 1, status="200")
