"""The part of HTTP/1 that a scrape needs: request heads in, whole responses out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import unquote

HEAD_LIMIT: Final = 16 * 1024

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKEN_START: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Request:
    """One request without its body. ``path`` is percent-decoded, ``query`` is not; header names are lower-case.

    ``peer`` is the client's network address, ``arrived`` when at the latest the request came (``time.monotonic()``).
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    arrived: float = 0.0


@dataclass(frozen=True, slots=True)
class Response:
    """One whole response. The server adds the date, the length and the connection header, and answers HEAD without
    ``body``. ``is_trusted`` says that the client has shown who it is."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_trusted: bool = False


class Postponed(Protocol):
    """A response that waits for another thread."""

    def begin(self, settled: Callable[[], None]) -> None:
        """Have ``settled`` called, by any thread, when the wait is over. It may be over already."""

    def resume(self) -> Response:
        """The response, when the wait is over. Not called after `cancel`."""

    def cancel(self) -> None:
        """Nobody waits any more."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request as it was found at the start of what a client sent: ``size`` bytes long."""

    request: Request
    size: int
    keep_alive: bool


class BadRequest(Exception):
    """What a client sent is not a request that this server reads. ``status`` is the answer it gets."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def parse_head(received: bytearray) -> Head | None:
    """The first request head in ``received``, or None while it is incomplete. Raises `BadRequest`.

    A head is at most `HEAD_LIMIT` bytes, with the empty lines that may come before it.
    """
    start = len(received) - len(received.lstrip(b"\r\n"))
    if start < len(received) and not _TOKEN_START.match(received, start):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    end = _HEAD_END.search(received, start)
    if (end.end() if end else len(received)) > HEAD_LIMIT:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    if end is None:
        return None
    request_line, *header_lines = received[start : end.start()].decode("latin-1").split("\n")
    method, target, version = _parse_request_line(request_line.removesuffix("\r"))
    path, _, query = target.partition("?")
    headers = _parse_headers(header_lines)
    return Head(
        Request(method, unquote(path), query, headers),
        end.end(),
        keep_alive=_keeps_alive(version, headers) and not _has_body(headers),
    )


def plain(status: HTTPStatus, *headers: tuple[str, str]) -> Response:
    """A response that says in one line of text what ``status`` means."""
    body = f"{status.value} {status.phrase}\n".encode("ascii")
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), body)


def serialize(response: Response, *, method: str, keep_alive: bool) -> bytes:
    """The bytes of ``response`` to a request with ``method``. Raises ValueError if it is not fit for the wire."""
    lines = [
        f"HTTP/1.1 {response.status:d} {HTTPStatus(response.status).phrase}",
        f"Date: {_http_date(time.time())}",
        *(f"{name}: {value}" for name, value in response.headers),
        f"Content-Length: {len(response.body)}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    if any(_CONTROL.search(line) for line in lines):
        raise ValueError("a response header contains a control character")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if method == "HEAD" else head + response.body


def _parse_request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        known = re.fullmatch(r"HTTP/[0-9](\.[0-9])?", version)
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED if known else HTTPStatus.BAD_REQUEST)
    origin = _ORIGIN.match(target)
    if origin:
        target = target[origin.end() :]
        target = target if target.startswith("/") else f"/{target}"
    if not (target.startswith("/") or target == "*") or _CONTROL.search(target):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return method, target, version


def _parse_headers(lines: list[str]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.removesuffix("\r").partition(":")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return MappingProxyType(headers)


def _keeps_alive(version: str, headers: Mapping[str, str]) -> bool:
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return "close" not in options and (version == "HTTP/1.1" or "keep-alive" in options)


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""


def _http_date(timestamp: float) -> str:
    # Not strftime, whose names of days and months follow the locale that the application set.
    now = time.gmtime(timestamp)
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02d} {_MONTHS[now.tm_mon - 1]} {now.tm_year:04d} "
        f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d} GMT"
    )
