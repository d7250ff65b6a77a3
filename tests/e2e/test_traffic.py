"""Requests that succeed: counts, sizes and durations as the client saw them, on every worker class."""

from __future__ import annotations

import contextlib
import http.client
import time

import pytest

from tests.e2e.client import chunk
from tests.e2e.site import Site

pytestmark = pytest.mark.matrix

OK = ("GET", "200")


def test_methods_and_statuses(site: Site) -> None:
    """Each request is counted once, under its method and the status the client got."""
    endpoint = site.endpoint("status")
    expected = {}
    for number, method in enumerate(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"], 1):
        for status in ("200 OK", "404 Not Found", "503 Service Unavailable"):
            for _ in range(number):
                assert site.get(f"{endpoint}?status={status.replace(' ', '%20')}", method).status == int(status[:3])
            expected[method, status[:3]] = number
    assert site.recorded(endpoint, sum(expected.values())).requests == expected


@pytest.mark.parametrize("method", ["BREW", "get", "PROPFIND", "X" * 20])
def test_unknown_methods_are_one_method(site: Site, method: str) -> None:
    """A client cannot make series by inventing methods."""
    endpoint = site.endpoint("plain")
    status = site.get(endpoint, method).status
    if status == 400:
        # Gunicorn itself refuses what its version does not take for a method.
        assert site.parse_errors()["invalid_request_method"] >= 1
    else:
        assert site.recorded(endpoint).requests == {("_OTHER", "200"): 1}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 70_000, 3_000_000])
def test_plain_response(site: Site, size: int) -> None:
    """The body's bytes are counted, the headers' are not."""
    endpoint = site.endpoint("plain")
    assert len(site.get(f"{endpoint}?size={size}").body) == size
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.received, seen.aborted) == ({OK: 1}, size, 0, 0)


def test_size_buckets_are_upper_bounds(site: Site) -> None:
    """256 bytes are in the bucket "up to 256", 257 are not."""
    endpoint = site.endpoint("plain")
    for size in (255, 256, 257):
        site.get(f"{endpoint}?size={size}")
    site.recorded(endpoint, 3)
    bucket = "gunicorn_http_response_size_bytes_bucket"
    assert site.server.scrape().value(bucket, endpoint=endpoint, le="256.0") == 2
    assert site.server.scrape().value(bucket, endpoint=endpoint, le="1024.0") == 3


@pytest.mark.parametrize("length", ["", "&length=12000"])
def test_streamed_response(site: Site, length: str) -> None:
    """Chunked or sized, the bytes of all parts are counted, without the chunks' framing."""
    endpoint = site.endpoint("stream")
    response = site.get(f"{endpoint}?parts=4&size=3000{length}")
    assert len(response.body) == 12_000
    assert ("chunked" in response.headers.get("transfer-encoding", "")) == (not length)
    assert site.recorded(endpoint).sent == 12_000


def test_http_1_0_stream(site: Site) -> None:
    """Without chunks the end of the connection ends the body, which is counted the same."""
    endpoint = site.endpoint("stream")
    with site.connect() as connection:
        connection.send(f"GET {endpoint}?parts=4&size=3000 HTTP/1.0\r\n\r\n".encode())
        head, _, body = connection.read_all().partition(b"\r\n\r\n")
    assert (head[9:12], len(body)) == (b"200", 12_000)
    assert site.recorded(endpoint).sent == 12_000


def test_write_callable(site: Site) -> None:
    """Bytes given to start_response's ``write`` are sent, so they are counted."""
    endpoint = site.endpoint("write")
    assert len(site.get(f"{endpoint}?size=2000").body) == 4000
    assert site.recorded(endpoint).sent == 4000


@pytest.mark.parametrize("query", ["size=500000", "size=500000&length", "size=500000&offset=123456", "size=0"])
def test_sendfile(site: Site, query: str) -> None:
    """A file is counted as long as it was, sent with sendfile or not."""
    endpoint = site.endpoint("file")
    body = site.get(f"{endpoint}?{query.replace('length', 'length=1')}").body
    assert len(body) == {"size=0": 0, "size=500000&offset=123456": 376_544}.get(query, 500_000)
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent, seen.aborted) == ({OK: 1}, len(body), 0)


def test_file_wrapper_without_a_file(site: Site) -> None:
    """What only looks like a file is read and written by Gunicorn, and counted."""
    endpoint = site.endpoint("filelike")
    assert len(site.get(f"{endpoint}?size=100000").body) == 100_000
    assert site.recorded(endpoint).sent == 100_000


@pytest.mark.parametrize("what", ["plain", "stream", "file", "filelike"])
def test_head(site: Site, what: str) -> None:
    """The answer to HEAD has no body: it counts what was sent of one, which is nothing."""
    endpoint = site.endpoint(what)
    with site.connect() as connection:
        connection.send_head("HEAD", f"{endpoint}?size=4000&parts=2&length=8000", {"Connection": "close"})
        head, _, body = connection.read_all().partition(b"\r\n\r\n")
    assert head[9:12] == b"200"
    seen = site.recorded(endpoint)
    assert seen.requests == {("HEAD", "200"): 1}
    assert seen.sent == len(body)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(site: Site, status: str) -> None:
    """No body, no bytes."""
    endpoint = site.endpoint("status")
    assert site.get(f"{endpoint}?status={status.replace(' ', '%20')}").body == b""
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.sent) == ({("GET", status[:3]): 1}, 0)


@pytest.mark.parametrize("how", ["read", "readlines"])
@pytest.mark.parametrize("size", [0, 1, 1000, 200_000])
def test_sized_upload(site: Site, how: str, size: int) -> None:
    """The body's bytes are counted when the application reads them."""
    endpoint = site.endpoint(how)
    body = (b"y" * 79 + b"\n") * (size // 80 + 1)
    assert site.server.get(endpoint, "POST", body[:size]).body == str(size).encode()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.received) == ({("POST", "200"): 1}, size)


@pytest.mark.parametrize("how", ["read", "readlines"])
@pytest.mark.parametrize("parts", [1, 50])
def test_chunked_upload(site: Site, how: str, parts: int) -> None:
    """The decoded bytes are counted, without the chunks' framing."""
    endpoint = site.endpoint(how)
    with site.connect() as connection:
        response = connection.request("PUT", endpoint, chunks=[b"z" * 999 + b"\n"] * parts)
    assert response.body == str(1000 * parts).encode()
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.received) == ({("PUT", "200"): 1}, 1000 * parts)


def test_unread_upload(site: Site) -> None:
    """A body that the application does not read was not received for it, even if the server throws it away later."""
    endpoint = site.endpoint("plain")
    with site.connect() as connection, contextlib.suppress(OSError, http.client.HTTPException):
        # A server that closes on what it has not read may take its own answer back.
        connection.request("POST", endpoint, body=b"y" * 5000)
    assert site.recorded(endpoint).received == 0


def test_unread_chunked_upload(site: Site) -> None:
    """The same without a known length."""
    endpoint = site.endpoint("plain")
    with site.connect() as connection, contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", endpoint, chunks=[b"y" * 1000] * 3)
    assert site.recorded(endpoint).received == 0


def test_partly_read_upload(site: Site) -> None:
    """What the server took off the body for the application is counted: what it read, and up to 1 KiB ahead."""
    endpoint = site.endpoint("read")
    assert site.server.get(f"{endpoint}?size=10000", "POST", b"y" * 200_000).body == b"10000"
    assert 10_000 <= site.recorded(endpoint).received <= 11_024


def test_expect_continue(site: Site) -> None:
    """A client that waits for 100 Continue makes one request with one status."""
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Content-Length": "3000", "Expect": "100-continue"})
        assert connection.read_exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b"y" * 3000)
        assert connection.read_response("POST").body == b"3000"
    seen = site.recorded(endpoint)
    assert (seen.requests, seen.received, seen.sent) == ({("POST", "200"): 1}, 3000, 4)


def test_duration_lasts_to_the_last_byte(site: Site) -> None:
    """A slow stream takes as long as it takes, not as long as its first byte."""
    endpoint = site.endpoint("stream")
    started = time.monotonic()
    site.get(f"{endpoint}?parts=4&size=10&pause=0.15")
    elapsed = time.monotonic() - started
    assert 0.45 <= site.recorded(endpoint).seconds <= elapsed


def test_duration_includes_a_slow_upload(site: Site) -> None:
    """The application waits for the body, which is part of its time."""
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        connection.send_head("POST", endpoint, {"Transfer-Encoding": "chunked"})
        for _ in range(3):
            time.sleep(0.15)
            connection.send(chunk(b"y" * 100))
        connection.send(chunk(b""))
        assert connection.read_response("POST").body == b"300"
    assert site.recorded(endpoint).seconds >= 0.4


def test_keep_alive(site: Site) -> None:
    """Requests of one connection are counted one by one, each with its own sizes."""
    if site.worker_class == "sync":
        assert site.get(site.endpoint("plain")).headers["connection"] == "close"
        return
    endpoint = site.endpoint("read")
    with site.connect() as connection:
        for size in range(50):
            assert connection.request("POST", endpoint, body=b"y" * size).body == str(size).encode()
    seen = site.recorded(endpoint, 50)
    assert (seen.requests, seen.received) == ({("POST", "200"): 50}, sum(range(50)))
    assert seen.sent == sum(len(str(size)) for size in range(50))


def test_unread_uploads_on_one_connection(site: Site) -> None:
    """What is left of a body is nobody's next request."""
    if site.worker_class == "sync":
        return
    endpoint = site.endpoint("plain")
    answered = 0
    with site.connect() as connection:
        for _ in range(5):
            response = connection.request("POST", endpoint, body=b"GET / HTTP/1.1\r\n\r\n" * 20)
            assert response.status == 200
            answered += 1
            if response.headers.get("connection") == "close":
                break
    seen = site.recorded(endpoint, answered)
    assert (seen.requests, seen.received) == ({("POST", "200"): answered}, 0)


def test_in_progress_goes_up_and_down(site: Site) -> None:
    """A request is in progress until its last byte."""
    endpoint = site.endpoint("stream")
    with site.connect() as connection:
        connection.send_head("GET", f"{endpoint}?parts=3&size=10&pause=0.4", {"Connection": "close"})
        connection.read_exactly(20)
        seen = site.server.scrape_once()
        assert seen.value("gunicorn_worker_requests_in_progress", worker_id="1") == 1
        assert seen.total("gunicorn_http_requests_total", endpoint=endpoint) == 0
        connection.read_all()
    site.recorded(endpoint)
    seen = site.server.scrape()
    assert seen.value("gunicorn_worker_requests_in_progress", worker_id="1") == 0
    assert seen.value("gunicorn_worker_request_seconds_total", worker_id="1") >= 0.8
