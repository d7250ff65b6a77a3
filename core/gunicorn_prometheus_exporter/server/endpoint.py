"""What the metrics server answers: a small table of paths."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import parse_qs

from .http import Request, Response, plain
from .negotiation import (
    OPENMETRICS_CONTENT_TYPE,
    TEXT_CONTENT_TYPE,
    accepts_gzip,
    prefers_openmetrics,
)

METRICS_PATH: Final = "/metrics"
HEALTHY_PATH: Final = "/-/healthy"
READY_PATH: Final = "/-/ready"

# Below this, a compressed page fills as many network packets as a plain one.
_SMALLEST_COMPRESSED: Final = 1024
_GZIP_LEVEL: Final = 1
_METHODS: Final = ("GET", "HEAD")


class Render(Protocol):
    """The metrics page as bytes. With ``names``, only the samples of those names or families."""

    def __call__(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes: ...


class MetricsEndpoint:
    """Answers GET and HEAD of ``/metrics``, as plainly, exactly and compressed as the client asks for, and of
    ``/-/healthy`` and ``/-/ready``.

    ``name[]`` in the query, given once or more, picks single families. What ``render`` and ``is_ready`` raise goes to
    the caller.
    """

    def __init__(self, render: Render, is_ready: Callable[[], bool]) -> None:
        self._render = render
        self._is_ready = is_ready
        self._routes: Mapping[str, Callable[[Request], Response]] = MappingProxyType(
            {METRICS_PATH: self._metrics, HEALTHY_PATH: self._healthy, READY_PATH: self._ready}
        )

    def __call__(self, request: Request) -> Response:
        path = request.path.removesuffix("/") or "/"
        route = self._routes.get(path)
        if route is None:
            return plain(HTTPStatus.NOT_FOUND)
        if request.method not in _METHODS:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(_METHODS)))
        return route(request)

    def _metrics(self, request: Request) -> Response:
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        body = self._render(openmetrics=openmetrics, names=tuple(parse_qs(request.query).get("name[]", ())))
        headers = [
            ("Content-Type", OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE),
            ("Vary", "Accept, Accept-Encoding"),
        ]
        if len(body) >= _SMALLEST_COMPRESSED and accepts_gzip(request.headers.get("accept-encoding", "")):
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        return Response(HTTPStatus.OK, tuple(headers), body)

    def _healthy(self, _request: Request) -> Response:
        return plain(HTTPStatus.OK)

    def _ready(self, _request: Request) -> Response:
        return plain(HTTPStatus.OK if self._is_ready() else HTTPStatus.SERVICE_UNAVAILABLE)
