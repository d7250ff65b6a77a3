"""What is read as a request, what is refused, and what a response looks like on the wire."""

from __future__ import annotations

import locale
from http import HTTPStatus

import pytest

from gunicorn_prometheus_exporter.server.http import (
    HEAD_LIMIT,
    BadRequest,
    Response,
    parse_head,
    plain,
    serialize,
)


def test_a_whole_head_is_read() -> None:
    """Method, decoded path, raw query and headers by lower-case name come out; the rest stays where it is."""
    received = bytearray(b"GET /m%65trics?name%5B%5D=up HTTP/1.1\r\nHost: h\r\nAccept:  a\r\nACCEPT: b\r\n\r\nGET /")

    head = parse_head(received)

    assert head is not None
    assert (head.request.method, head.request.path, head.request.query) == ("GET", "/metrics", "name%5B%5D=up")
    assert head.request.headers == {"host": "h", "accept": "a, b"}
    assert received[head.size :] == b"GET /"
    assert head.keep_alive


@pytest.mark.parametrize("received", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n"])
def test_a_part_of_a_head_is_waited_for(received: bytes) -> None:
    """Nothing is concluded from a head that may still become right."""
    assert parse_head(bytearray(received)) is None


@pytest.mark.parametrize("target", ["/metrics?a=1", "http://host:9091/metrics?a=1", "HTTP://[::1]/metrics?a=1"])
def test_absolute_targets_are_read(target: str) -> None:
    """A client that believes it talks to a proxy is understood."""
    head = parse_head(bytearray(f"GET {target} HTTP/1.1\r\n\r\n".encode()))

    assert head is not None
    assert (head.request.path, head.request.query) == ("/metrics", "a=1")


def test_bare_line_feeds_and_leading_empty_lines_are_tolerated() -> None:
    """As RFC 9112 2.2 allows."""
    head = parse_head(bytearray(b"\r\n\nGET / HTTP/1.0\nAccept: a\n\n"))

    assert head is not None
    assert head.request.headers == {"accept": "a"}


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        ("HTTP/1.1\r\n", True),
        ("HTTP/1.1\r\nConnection: close\r\n", False),
        ("HTTP/1.1\r\nConnection: x, Close\r\n", False),
        ("HTTP/1.0\r\n", False),
        ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        ("HTTP/1.1\r\nContent-Length: 0\r\n", True),
        ("HTTP/1.1\r\nContent-Length: 3\r\n", False),
        ("HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", False),
    ],
)
def test_who_keeps_the_connection(head: str, keeps: bool) -> None:
    """The versions' defaults hold, and a request with a body is the last one, as bodies are not read."""
    parsed = parse_head(bytearray(f"GET / {head}\r\n".encode()))

    assert parsed is not None
    assert parsed.keep_alive is keeps


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"\x00", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1 x\r\n\r\n", 400),
        (b"G\xc3T / HTTP/1.1\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTQ/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname : value\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET /" + b"a" * HEAD_LIMIT, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * HEAD_LIMIT + b"\r\n\r\n", 431),
        (b"\r\n" * HEAD_LIMIT, 431),
    ],
)
def test_what_is_refused(received: bytes, status: int) -> None:
    """Garbage gets the status that says what is wrong with it."""
    with pytest.raises(BadRequest) as refused:
        parse_head(bytearray(received))

    assert refused.value.status == status


def test_a_response_is_written_whole() -> None:
    """The given headers come with the date, the length and the connection, and nothing tells who serves."""
    head, _, body = serialize(Response(200, (("A", "b"),), b"body"), method="GET", keep_alive=True).partition(
        b"\r\n\r\n"
    )
    lines = head.decode().split("\r\n")

    assert lines[0] == "HTTP/1.1 200 OK"
    assert [line.partition(":")[0] for line in lines[1:]] == ["Date", "A", "Content-Length", "Connection"]
    assert lines[2:] == ["A: b", "Content-Length: 4", "Connection: keep-alive"]
    assert body == b"body"


def test_the_date_is_english_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's locale does not reach the wire."""
    monkeypatch.setattr("time.time", lambda: 784111777.0)
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in locale.locale_alias.values():
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in serialize(
                plain(HTTPStatus.OK), method="GET", keep_alive=False
            )
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_head_has_the_length_and_no_body() -> None:
    """HEAD tells what GET would have sent."""
    response = serialize(Response(200, (), b"body"), method="HEAD", keep_alive=False)

    assert b"Content-Length: 4\r\n" in response
    assert response.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("header", [("A", "b\r\nSet-Cookie: c"), ("A", "\N{EURO SIGN}")])
def test_a_header_that_would_break_the_response_is_refused(header: tuple[str, str]) -> None:
    """No answer can be made to say what was not meant."""
    with pytest.raises(ValueError, match=r"control character|latin-1"):
        serialize(Response(200, (header,)), method="GET", keep_alive=False)
