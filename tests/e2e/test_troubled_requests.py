"""Requests that fail, are cut short or make no sense: each counted once, as what it was, on every worker class."""

from __future__ import annotations

import contextlib
import http.client
import time

import pytest

from tests.e2e.client import chunk
from tests.e2e.conftest import GUNICORN_MAJOR
from tests.e2e.site import Site

pytestmark = pytest.mark.matrix

# More than the kernel takes in for both sides of a connection before it makes the sender wait.
SOCKET_BUFFERS = 12 << 20
ALL_OF_IT = 256 << 20


def test_exception_before_the_response(site: Site) -> None:
    """The client gets Gunicorn's page, and the request is one: failed requests are requests."""
    endpoint = site.endpoint("raise")
    answer = site.get(f"{endpoint}?error=ValueError")
    assert answer.status == 500
    seen = site.recorded(endpoint)
    assert seen.requests == {("GET", "500"): 1}
    assert (seen.exceptions, seen.aborted, seen.sent) == ({"ValueError": 1}, 0, len(answer.body))


def test_exception_between_start_response_and_the_first_byte(site: Site) -> None:
    """The status that the application wanted never reached the client: it is a 500 like any other."""
    endpoint = site.endpoint("raise")
    assert site.get(f"{endpoint}?error=ValueError&started=1").status == 500
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.exceptions, seen.aborted) == ({("GET", "500"): 1}, {"ValueError": 1}, 0)


@pytest.mark.parametrize("length", ["", "&length=9000"])
def test_exception_in_the_middle_of_a_body(site: Site, length: str) -> None:
    """The client has its status already, and a body that ends too early."""
    endpoint = site.endpoint("raise_later")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?error=ValueError&sent=5000{length}")
        assert connection.read_all().count(b"x") >= 5000
    seen = site.recorded(endpoint)
    assert seen.requests == {("GET", "200"): 1}
    assert (seen.exceptions, seen.aborted, seen.sent) == ({"ValueError": 1}, 1, 5000)


def test_exception_after_the_whole_body(site: Site) -> None:
    """Nothing is missing on the client's side, so the response was not cut short."""
    endpoint = site.endpoint("close_raises")
    assert site.get(endpoint).body == b"x" * 10
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent) == ({("GET", "200"): 1}, 10)
    assert (seen.exceptions, seen.aborted) == ({"ValueError": 1}, 0)


@pytest.mark.parametrize("error", ["ConnectionResetError", "BrokenPipeError", "FileNotFoundError"])
def test_oserror_of_the_application_itself(site: Site, error: str) -> None:
    """A database that went away is not a client that went away, although Gunicorn treats them alike."""
    endpoint = site.endpoint("raise")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?error={error}")
        # Gunicorn answers nothing at all where it takes the error for the client's.
        assert connection.read_all()[9:12] in (b"500", b"")
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.exceptions, seen.aborted) == ({("GET", "500"): 1}, {error: 1}, 0)


@pytest.mark.parametrize("error", ["ConnectionResetError", "BrokenPipeError"])
def test_oserror_of_the_application_in_a_body(site: Site, error: str) -> None:
    """The same, once the response is under way."""
    endpoint = site.endpoint("raise_later")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?error={error}&sent=5000")
        connection.read_all()
    seen = site.recorded(endpoint)
    assert seen.requests == {("GET", "200"): 1}
    assert (seen.exceptions, seen.aborted, seen.sent) == ({error: 1}, 1, 5000)


def test_no_response_at_all(site: Site) -> None:
    """An application that never calls start_response is counted, with what it gave for a status: none."""
    endpoint = site.endpoint("nothing")
    with site.connect() as connection:
        connection.send_head("GET", endpoint)
        assert connection.read_all()[9:13] in (b"None", b"500 ")
    assert len(site.recorded(endpoint).requests) == 1


def test_client_leaves_a_stream(site: Site) -> None:
    """A download without an end, aborted: an aborted response with the status it had, and nobody's exception."""
    endpoint = site.endpoint("flood")
    with site.connect() as connection:
        connection.send_head("GET", endpoint)
        got = len(connection.read_exactly(1_000_000))
        connection.abort()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.aborted, seen.exceptions) == ({("GET", "200"): 1}, 1, {})
    # The client's bytes have a head and the chunks' framing, a thousandth of them, that the metric has not.
    assert got * 0.998 <= seen.sent <= got + SOCKET_BUFFERS


@pytest.mark.parametrize("what", ["file", "filelike"])
@pytest.mark.parametrize("length", ["", "&length=1"])
def test_client_leaves_a_file(site: Site, what: str, length: str) -> None:
    """A file's download, aborted: what was really sent of it is counted, not what it was long."""
    size = ALL_OF_IT if what == "file" else 4 * SOCKET_BUFFERS
    endpoint = site.endpoint(what)
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?size={size}{length}")
        got = len(connection.read_exactly(1_000_000))
        connection.abort()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.aborted, seen.exceptions) == ({("GET", "200"): 1}, 1, {})
    assert got * 0.99 <= seen.sent <= got + SOCKET_BUFFERS


def test_client_leaves_before_the_response(site: Site) -> None:
    """The application worked for nobody; it notices when it writes."""
    endpoint = site.endpoint("stream")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?parts=60&size=10000&pause=0.02")
        time.sleep(0.1)
        connection.abort()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.aborted, seen.exceptions) == ({("GET", "200"): 1}, 1, {})
    assert seen.sent < 600_000


@pytest.mark.parametrize("headers", [{"Content-Length": "100000"}, {"Transfer-Encoding": "chunked"}])
def test_client_leaves_its_upload(site: Site, headers: dict[str, str]) -> None:
    """An upload that breaks off is one request and nobody's exception; what had arrived is counted."""
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        connection.send_head("POST", endpoint, headers)
        connection.send(chunk(b"y" * 5000) if "Transfer-Encoding" in headers else b"y" * 5000)
        time.sleep(0.2)
        connection.abort()
    seen = site.recorded(endpoint)
    assert sum(seen.requests.values()) == 1
    assert (seen.exceptions, seen.aborted) == ({}, 1)
    assert seen.received in (0, 4096, 5000)


def test_upload_ends_too_early(site: Site) -> None:
    """A client that stops sending but still listens gets an answer, whatever the application makes of the body."""
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Content-Length": "100000", "Connection": "close"})
        connection.send(b"y" * 5000)
        connection.socket.shutdown(1)
        status = connection.read_all()[9:12].decode()
    seen = site.recorded(endpoint)
    assert list(seen.requests) == [("POST", status or "499")]
    assert seen.received == 5000


def test_malformed_chunk(site: Site) -> None:
    """The application had been called when the body turned out to be malformed: that is a request, with its answer."""
    endpoint = site.endpoint("read")
    before = site.parse_errors()
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Transfer-Encoding": "chunked"})
        connection.send(chunk(b"y" * 2000) + b"no number\r\n")
        status = connection.read_all()[9:12].decode()
    seen = site.recorded(endpoint)
    # Older versions of Gunicorn answer nothing, as to a client that has left.
    assert seen.requests == {("POST", status or "499"): 1}
    assert site.parse_errors() == before


LONG = b"x" * 9000
MALFORMED = {
    "no request line": (b"GARBAGE\r\n\r\n", {"invalid_request_line", "invalid_request_method"}),
    "binary": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        {"invalid_request_line", "invalid_request_method"},
    ),
    "version": (b"GET / FTP/1.1\r\n\r\n", {"invalid_http_version"}),
    "method": (b"G@T / HTTP/1.1\r\n\r\n", {"invalid_request_method"}),
    "header name": (b"GET / HTTP/1.1\r\nNot A Name: x\r\n\r\n", {"invalid_header_name"}),
    "no header": (b"GET / HTTP/1.1\r\nHost\r\n\r\n", {"invalid_header"}),
    "length": (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", {"invalid_header"}),
    "long line": (b"GET /" + LONG + b" HTTP/1.1\r\n\r\n", {"limit_request_line"}),
    "long header": (b"GET / HTTP/1.1\r\nX: " + LONG + b"\r\n\r\n", {"limit_request_headers"}),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", {"limit_request_headers"}),
    "coding": (
        b"GET / HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n",
        {"unsupported_transfer_coding"},
    ),
}
if GUNICORN_MAJOR > 22:
    MALFORMED["folding"] = (b"GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n", {"obsolete_folding"})


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_request(site: Site, what: str) -> None:
    """What Gunicorn refuses is counted by a reason from a fixed list, and is no request."""
    request, reasons = MALFORMED[what]
    errors, requests = site.parse_errors(), site.all_requests()
    with site.connect() as connection:
        connection.send(request)
        assert connection.read_all().startswith(b"HTTP/1.1 ")
    after = site.parse_errors()
    assert {reason for reason in after if after[reason] != errors.get(reason, 0)} <= reasons
    assert sum(after.values()) == sum(errors.values()) + 1
    assert site.all_requests() == requests
    assert site.get(site.endpoint("plain")).status == 200


def test_malformed_request_after_a_good_one(site: Site) -> None:
    """On one connection: the good request counts, the bad one is refused."""
    if site.worker_class == "sync":
        return
    endpoint = site.endpoint("plain")
    errors = sum(site.parse_errors().values())
    with site.connect() as connection:
        assert connection.request("GET", endpoint).status == 200
        connection.send(b"GET / FTP/1.1\r\n\r\n")
        connection.read_all()
    assert site.recorded(endpoint).requests == {("GET", "200"): 1}
    assert sum(site.parse_errors().values()) == errors + 1


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_connections_without_a_request(site: Site, data: bytes) -> None:
    """A health check that only connects, or a client that leaves in the middle of its head, is nothing at all."""
    errors, requests = site.parse_errors(), site.all_requests()
    for leave in ("close", "abort"):
        with site.connect() as connection:
            connection.send(data)
            getattr(connection, leave)()
    assert site.get(site.endpoint("plain")).status == 200
    seen = site.server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") > requests)
    assert seen.total("gunicorn_http_requests_total") == requests + 1
    assert site.parse_errors() == errors


def test_nothing_is_in_progress_at_the_end(site: Site) -> None:
    """However requests ended, they ended."""
    for what in ("raise?error=ValueError", "raise_later?error=ValueError&sent=10", "raise?error=ConnectionResetError"):
        with site.connect() as connection:
            connection.send_head("GET", f"/{what}")
            with contextlib.suppress(http.client.HTTPException, OSError):
                connection.read_response()
    gauge = "gunicorn_worker_requests_in_progress"
    assert site.server.scrape_until(lambda e: e.total(gauge) == 0).samples(gauge)
