"""Which requests are excluded, and what is counted of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.catalogue import UNMATCHED
from gunicorn_prometheus_exporter.recorder.exclusion import Exclusion
from tests.core.recorder.recording import Recording


@pytest.mark.parametrize(
    ("pattern", "text", "covered"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/", False),
        ("/static/*", "/static/", True),
        ("/static/*", "/static/a/b.css", True),
        ("/static/*", "/static", False),
        ("/*/health", "/a/b/health", True),
        ("/*/health", "/health", False),
        ("*.css", "/a.css", True),
        ("*.css", "/a.css/b", False),
        ("/a*b*a", "/aba", True),
        ("/a*ba", "/aa", False),
        ("/a*a", "/a", False),
        ("/*x*x*y", "/xxxy", True),
        ("/files/<a[b]>", "/files/b", False),
        ("/files/<a[b]>", "/files/<a[b]>", True),
        ("__unrouted__", None, True),
        ("__unmatched__", UNMATCHED, True),
    ],
)
def test_patterns(pattern: str, text: str | None, covered: bool) -> None:
    """Only the star is special."""
    assert Exclusion([pattern]).covers(text, "/somewhere") is covered


@pytest.mark.parametrize(
    ("template", "path", "covered"),
    [
        (None, "/healthz", True),
        (UNMATCHED, "/healthz", True),
        ("/<path>", "/healthz", False),
        (None, "/caf\xc3\xa9", True),
        (None, "/caf\xe9", True),
        (None, "/caf", False),
    ],
)
def test_a_path_counts_only_where_there_is_no_route(template: str | None, path: str, covered: bool) -> None:
    """In WSGI's Latin-1 as in ASGI's text."""
    assert Exclusion(["/healthz", "/café"]).covers(template, path) is covered


def test_a_hostile_path_takes_no_time() -> None:
    exclusion = Exclusion(["/" + "*a" * 99 + "*b"] * 64)
    started = time.perf_counter()
    assert not exclusion.covers(None, "/" + "a" * 8000)
    assert time.perf_counter() - started < 1.0


def test_what_is_counted(tmp_path: Path) -> None:
    """One counter, and how long the worker was busy; nothing by endpoint, exceptions and aborts included."""
    recording = Recording(tmp_path, excluded_endpoints=("/healthz", "/static/*"))
    for endpoint in ("/healthz", "/static/<path:name>", "/healthz", "/users/<id>"):
        recording.serve(endpoint=endpoint, size=10)
    request = recording.begin(endpoint="/healthz")
    request.handled(ValueError(), "flask")
    request.client_left = True
    recording.recorder.finish(request, RuntimeError())
    assert recording.values("gunicorn_http_excluded_requests_total") == {(): 4}
    assert recording.values("gunicorn_http_requests_total") == {("/users/<id>", "GET", "200"): 1}
    assert recording.values("gunicorn_http_request_duration_seconds_count") == {("/users/<id>", "GET"): 1}
    assert recording.values("gunicorn_http_response_size_bytes_sum") == {("/users/<id>", "GET"): 10}
    assert recording.values("gunicorn_http_exceptions_total") == {}
    assert recording.values("gunicorn_http_aborted_responses_total") == {}
    assert recording.values("gunicorn_worker_request_seconds_total")[("1",)] > 0
    assert list(recording.values("gunicorn_worker_requests_in_progress").values()) == [0]
    assert not recording.failures


def test_requests_without_a_route_are_told_apart_by_path(tmp_path: Path) -> None:
    """Each of them, whichever came first."""
    recording = Recording(tmp_path, excluded_endpoints=("/healthz",))
    for path in ("/healthz", "/", "/healthz", "/other", "/"):
        request = recording.begin(path=path)
        request.start_response("200 OK", [])
        recording.recorder.finish(request, None)
    assert recording.values("gunicorn_http_excluded_requests_total") == {(): 2}
    assert recording.values("gunicorn_http_requests_total") == {("__unrouted__", "GET", "200"): 3}


def test_excluded_endpoints_without_end_take_no_memory(tmp_path: Path) -> None:
    """An application may name its endpoints by what a client asks for."""
    recording = Recording(tmp_path, excluded_endpoints=("/static/*",), max_series=10)
    for number in range(50):
        recording.serve(endpoint=f"/static/{number}")
    assert len(recording.recorder._series.known["GET"]) <= 10
    assert recording.values("gunicorn_http_excluded_requests_total") == {(): 50}
    assert recording.values("gunicorn_exporter_dropped_series_total") == {}


def test_an_excluded_request_that_its_worker_did_not_live_to_count(tmp_path: Path) -> None:
    """Whoever counts it knows the endpoint, and not more."""
    recording = Recording(tmp_path, excluded_endpoints=("/healthz",))
    recording.begin(endpoint="/healthz")
    recording.begin(endpoint="/users/<id>")
    recording.recorder.recover_all()
    assert recording.values("gunicorn_http_excluded_requests_total") == {(): 1}
    assert recording.values("gunicorn_http_requests_total") == {("/users/<id>", "GET", "500"): 1}
    assert recording.values("gunicorn_http_aborted_responses_total") == {("/users/<id>", "GET"): 1}
