"""The application of the soak: everything that an application does to its server, in small amounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

_NOTE_KEY: Final = "gunicorn_prometheus_exporter.note"
ABORT_LIMIT_SECONDS: Final = 20.0


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer ``/<what>/<number>``, where the number is a size in bytes, or nothing."""
    what, _, number = environ["PATH_INFO"][1:].partition("/")
    environ[_NOTE_KEY].endpoint(f"/{what}/<number>")
    if what == "missing":
        return _answer(start_response, "404 Not Found", b"no such thing")
    if what == "fail":
        raise LookupError("the soak asked for it")
    if what == "upload":
        size = sum(len(chunk) for chunk in iter(lambda: environ["wsgi.input"].read(65536), b""))
        return _answer(start_response, "200 OK", str(size).encode())
    if what == "stream":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return _without_end()
    return _answer(start_response, "200 OK", b"x" * int(number or 0))


def _answer(start_response: Callable[..., Any], status: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]


def _without_end() -> Iterator[bytes]:
    """More and more, until the client is seen to have left."""
    deadline = time.monotonic() + ABORT_LIMIT_SECONDS
    while time.monotonic() < deadline:
        yield b"x" * 1024
        time.sleep(0.01)
