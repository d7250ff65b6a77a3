"""Requests to ASGI applications: counts, sizes, durations and failures as the client saw them."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.client import Connection
from tests.e2e.conftest import ASGI_AVAILABLE, GUNICORN_MAJOR
from tests.e2e.exposition import lint
from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.site import Site

pytestmark = pytest.mark.matrix

APP = Path(__file__).with_name("asgi_app.py")
OK = ("GET", "200")
PAGE = len("Internal Server Error")


from_26 = pytest.mark.skipif(GUNICORN_MAJOR == 25, reason="not what Gunicorn 25's asgi worker does")


@pytest.fixture(scope="module", params=ASGI_AVAILABLE)
def site(request: pytest.FixtureRequest, promtool: Path) -> Iterator[Site]:
    """One worker of each class with the ASGI traffic application, shared by the tests of this module."""
    server = Gunicorn(APP, worker_class=request.param, args=["--keep-alive", "5"])
    yield Site(server, request.param)
    server.remove()
    lint(server.largest, promtool)


def said(site: Site, what: str) -> None:
    """Wait until the application said ``what``, at whatever time."""
    wait_until(lambda: what in (site.server.home / "said").read_text().splitlines(), what=what)


@pytest.mark.parametrize("query", ["size=0", "size=1&length=1", "size=70000", "size=3000000&length=1"])
def test_plain_response(site: Site, query: str) -> None:
    """The body's bytes are counted, neither headers nor chunks' framing."""
    endpoint = site.endpoint("plain")
    size = len(site.get(f"{endpoint}?{query}").body)
    assert f"size={size}" in query.split("&")
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.received, seen.aborted) == ({OK: 1}, size, 0, 0)


def test_statuses_and_methods(site: Site) -> None:
    """Each request is counted once, under its method and the status the client got."""
    endpoint = site.endpoint("plain")
    expected = {}
    for method in ("GET", "POST", "DELETE"):
        for status in (200, 204, 404, 503):
            size = 0 if status == 204 else 5
            assert site.get(f"{endpoint}?status={status}&size={size}&length=1", method).status == status
            expected[method, str(status)] = 1
    assert site.recorded(endpoint, len(expected)).requests == expected


@from_26
@pytest.mark.parametrize("what", ["plain?size=700&length=1", "stream?parts=3&size=300"])
def test_head(site: Site, what: str) -> None:
    """No body, no bytes, whatever the application sends."""
    name, _, query = what.partition("?")
    endpoint = site.endpoint(name)
    assert site.get(f"{endpoint}?{query}", "HEAD").status == 200
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({("HEAD", "200"): 1}, 0, 0)


@pytest.mark.parametrize("length", ["", "&length=12000"])
def test_streamed_response(site: Site, length: str) -> None:
    """A stream lasts until its last byte, and so does the request."""
    endpoint, started = site.endpoint("stream"), time.monotonic()
    assert len(site.get(f"{endpoint}?parts=4&size=3000&pause=0.2{length}").body) == 12_000
    elapsed = time.monotonic() - started
    seen = site.recorded(endpoint)
    assert (seen.sent, seen.aborted) == (12_000, 0)
    assert 0.6 <= seen.seconds <= elapsed


def test_client_that_leaves_with_all_it_was_promised(site: Site) -> None:
    """The application has not said yet that the response is over, but its Content-Length did."""
    endpoint = site.endpoint("stream")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?parts=1&size=3000&length=3000&end=2")
        assert len(connection.read_response().body) == 3000
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({OK: 1}, 3000, 0)
    assert seen.seconds < 1.5


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_000_000])
def test_uploads(site: Site, size: int) -> None:
    """The body's bytes, sized and chunked."""
    sized, chunked = site.endpoint("read"), site.endpoint("read")
    with site.connect() as connection:
        assert connection.request("POST", sized, body=b"y" * size).body == str(size).encode()
        parts = [b"y" * (size // 2), b"y" * (size - size // 2)]
        assert connection.request("PUT", chunked, chunks=filter(None, parts)).body == str(size).encode()
    assert site.recorded(sized).received == size
    assert site.recorded(chunked).received == size


def test_upload_that_ends_early(site: Site) -> None:
    """A client that closes in the middle of its body gets no response: 499, an aborted one, and no exception."""
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Content-Length": "5000"})
        connection.send(b"y" * 2000)
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.received, seen.aborted) == ({("POST", "499"): 1}, 2000, 1)
    assert not seen.exceptions


def test_unread_upload(site: Site) -> None:
    """What the application did not take is not counted."""
    endpoint = site.endpoint("plain")
    assert site.get(endpoint, "POST", body=b"y" * 1000).status == 200
    assert site.recorded(endpoint).received == 0


def test_background_work(site: Site) -> None:
    """It is no part of the request: not of its duration, and nothing is in progress while it lasts."""
    endpoint = site.endpoint("background")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?seconds=3")
        assert connection.read_response().body == b"done"
        seen = site.recorded(endpoint, timeout=2.5)
        assert site.server.scrape_once().total("gunicorn_worker_requests_in_progress") == 0
    assert (seen.requests, seen.sent, seen.aborted) == ({OK: 1}, 4, 0)
    assert seen.seconds < 2


def test_next_request_does_not_wait_for_background_work(site: Site) -> None:
    """The worker holds no connection longer than it does without the exporter."""
    if site.worker_class == "asgi" and GUNICORN_MAJOR < 27:
        return  # Gunicorn itself waits.
    endpoint, other = site.endpoint("background"), site.endpoint("plain")
    with site.connect() as connection:
        connection.request("GET", f"{endpoint}?seconds=3")
        started = time.monotonic()
        connection.request("GET", other)
        assert time.monotonic() - started < 2.5


def test_background_failure(site: Site) -> None:
    """The request succeeded; that an exception escaped the application afterwards is counted all the same."""
    endpoint = site.endpoint("background")
    assert site.get(f"{endpoint}?seconds=0.2&error=ValueError").body == b"done"
    seen = site.server.scrape_until(lambda e: e.total("gunicorn_http_exceptions_total", endpoint=endpoint) == 1)
    assert seen.value("gunicorn_http_requests_total", endpoint=endpoint, status="200") == 1
    assert seen.value("gunicorn_http_exceptions_total", endpoint=endpoint, source="asgi", handled="false") == 1
    assert seen.total("gunicorn_http_aborted_responses_total", endpoint=endpoint) == 0


@from_26
def test_server_sent_events(site: Site) -> None:
    """Open for as long as the client wants, then aborted, with what was sent until then."""
    endpoint = site.endpoint("events")
    with site.connect() as connection:
        connection.send_head("GET", endpoint)
        assert b"data: tick" in connection.read_exactly(400)
        assert site.server.scrape_once().total("gunicorn_worker_requests_in_progress") == 1
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.aborted, seen.exceptions) == ({OK: 1}, 1, {})
    assert seen.sent >= len(b"data: tick\n\n") * 2
    said(site, "client left")
    assert site.server.scrape_once().total("gunicorn_worker_requests_in_progress") == 0


def test_client_that_leaves_a_stream(site: Site) -> None:
    """An endless stream whose client resets the connection: cancelled or not, nothing stays in progress."""
    endpoint = site.endpoint("stream")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?parts=30&size=10000&pause=0.1")
        connection.read_exactly(20_000)
        connection.abort()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.aborted, seen.exceptions) == ({OK: 1}, 1, {})
    assert 10_000 < seen.sent < 300_000
    assert site.server.scrape_once().total("gunicorn_worker_requests_in_progress") == 0


def test_client_that_does_not_wait_for_the_answer(site: Site) -> None:
    """Whether the worker cancels the application or lets it finish, there was nobody to answer."""
    endpoint = site.endpoint("sleep")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?seconds=0.7")
        time.sleep(0.2)
        connection.abort()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({("GET", "499"): 1}, 0, 1)
    assert not seen.exceptions


@pytest.mark.parametrize(
    ("query", "status", "sent", "aborted"),
    [("", "500", PAGE, 0), ("&sent=2000", "200", 2000, 1), ("&sent=2000&complete=1", "200", 2000, 0)],
    ids=["before", "during", "after"],
)
@pytest.mark.parametrize("error", ["ValueError", "OSError"])
def test_exceptions(site: Site, query: str, status: str, sent: int, aborted: int, error: str) -> None:
    """What escapes the application is counted by class; the page in its place is the response."""
    endpoint = site.endpoint("raise")
    with contextlib.suppress(http.client.IncompleteRead):
        assert str(site.get(f"{endpoint}?error={error}{query}").status) == status
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({("GET", status): 1}, sent, aborted)
    seen = site.server.scrape_until(lambda e: e.total("gunicorn_http_exceptions_total", endpoint=endpoint) == 1)
    assert seen.total("gunicorn_worker_failed_requests_total", endpoint=endpoint, error_type=error) == 1


@pytest.mark.parametrize(("query", "status", "sent", "aborted"), [("", "500", PAGE, 0), ("?sent=900", "200", 900, 1)])
def test_no_response(site: Site, query: str, status: str, sent: int, aborted: int) -> None:
    """An application that returns without a response, or in the middle of one, is no exception."""
    endpoint = site.endpoint("nothing")
    with site.connect() as connection:
        connection.send_head("GET", endpoint + query, {"Connection": "close"})
        if GUNICORN_MAJOR >= 27 or site.worker_class == "uvicorn" or not query:
            assert f" {status} ".encode() in connection.read_all()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({("GET", status): 1}, sent, aborted)
    assert not seen.exceptions


def test_queue_time(site: Site) -> None:
    """From the header of a trusted proxy, as for WSGI."""
    before = site.server.scrape().total("gunicorn_http_request_queue_seconds_sum")
    site.get(site.endpoint("plain"), X_Request_Start=f"t={time.time() - 2:.3f}")
    seen = site.server.scrape_until(lambda e: e.total("gunicorn_http_request_queue_seconds_sum") > before)
    assert 2 <= seen.total("gunicorn_http_request_queue_seconds_sum") - before < 10


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_malformed_requests(site: Site, sent: bytes) -> None:
    """Refused before the application: a parse error, no request."""
    before = sum(site.parse_errors().values())
    requests = site.all_requests()
    with site.connect() as connection:
        connection.send(sent)
        assert connection.read_all().startswith(b"HTTP/1.1 400 ")
    assert sum(site.parse_errors().values()) == before + 1
    assert site.all_requests() == requests


@from_26
def test_malformed_body(site: Site) -> None:
    """The server answers 400 in the application's place, and that is the request's status."""
    endpoint = site.endpoint("read")
    before = sum(site.parse_errors().values())
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Transfer-Encoding": "chunked"})
        connection.send(b"5\r\nhello\r\n")
        time.sleep(0.2)
        connection.send(b"zz\r\n")
        assert connection.read_all().startswith(b"HTTP/1.1 400 ")
    assert site.recorded(endpoint).requests == {("POST", "400"): 1}
    assert sum(site.parse_errors().values()) == before


def test_pipelined_and_concurrent_requests(site: Site) -> None:
    """Many at once on some connections, all counted, and never more in progress than there were."""
    endpoint = site.endpoint("sleep")
    connections = [Connection(site.server.port) for _ in range(20)]
    for connection in connections:
        connection.send_head("GET", f"{endpoint}?seconds=1")
    site.server.scrape_until(lambda e: e.total("gunicorn_worker_requests_in_progress") == 20)
    for connection in connections:
        assert connection.read_response().body == b"slept"
        connection.close()
    seen = site.recorded(endpoint, 20)
    assert seen.requests == {OK: 20}
    assert 20 <= seen.seconds < 60


def test_lifespan(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """Startup and shutdown reach the application, and are no requests."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    wait_until(lambda: (server.home / "said").exists())
    assert server.scrape().total("gunicorn_http_requests_total") == 0
    server.signal(15)
    server.process.wait(10)
    assert (server.home / "said").read_text().split() == ["startup", "shutdown"]
