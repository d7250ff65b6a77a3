"""A WSGI application without a framework, and without a word about metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/":
        return answer(start_response, "200 OK", b"Hello\n")
    if path == "/echo" and environ["REQUEST_METHOD"] == "POST":
        return answer(start_response, "200 OK", environ["wsgi.input"].read())
    if path == "/numbers":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (f"{number}\n".encode() for number in range(1000))
    if path == "/broken":
        json.loads("{")
    return answer(start_response, "404 Not Found", b"There is nothing here.\n")


def answer(start_response: Callable[..., Any], status: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
