"""What the metrics server answers: a small table of paths."""

from __future__ import annotations

import contextlib
import gzip
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol
from urllib.parse import parse_qs

from .credentials import Answer, Credentials
from .http import Postponed, Request, Response, plain
from .negotiation import (
    OPENMETRICS_CONTENT_TYPE,
    TEXT_CONTENT_TYPE,
    accepts_gzip,
    prefers_openmetrics,
)
from .passwords import TooManyAttempts
from .security import Security
from .status.page import status_page

STATUS_PATH: Final = "/"
METRICS_PATH: Final = "/metrics"
HEALTHY_PATH: Final = "/-/healthy"
READY_PATH: Final = "/-/ready"

# Below this, a compressed page fills as many network packets as a plain one.
_SMALLEST_COMPRESSED: Final = 1024
_GZIP_LEVEL: Final = 1
_METHODS: Final = ("GET", "HEAD")
_MOST_PAGES: Final = 4


class _Wanted(NamedTuple):
    """What a scraper asks for, of which all share one page."""

    openmetrics: bool
    gzip: bool
    names: tuple[str, ...]


class Render(Protocol):
    """The metrics page as bytes. With ``names``, only the samples of those names or families."""

    def __call__(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path, and whether it does so without asking who the client is."""

    answer: Callable[[Request], Response]
    is_open: bool = False


class MetricsEndpoint:
    """Answers GET and HEAD of ``/metrics``, as plainly, exactly and compressed as the client asks for, and of
    ``/-/healthy`` and ``/-/ready``, with ``status`` of the page for people at ``/`` too; to whom ``security`` lets in.

    ``name[]`` in the query, given once or more, picks single families. Health is for anybody unless ``health_auth``:
    it is one word, and who asks for it, such as a kubelet, has no password. What ``render`` and ``is_ready`` raise
    goes to the caller.
    """

    def __init__(
        self,
        render: Render,
        is_ready: Callable[[], bool],
        security: Security,
        *,
        health_auth: bool = False,
        status: bool = False,
    ) -> None:
        self.security = security
        self._render = render
        self._is_ready = is_ready
        self._pages: dict[_Wanted, tuple[float, Response]] = {}
        if status:
            # Now, not when somebody looks: an upgrade may take the files away from under a server, and a server may
            # have run out of descriptors. Whoever asks is told if there is no page.
            with contextlib.suppress(OSError):
                status_page()
        self._routes: Mapping[str, Route] = MappingProxyType(
            {
                METRICS_PATH: Route(self._metrics),
                HEALTHY_PATH: Route(self._healthy, is_open=not health_auth),
                READY_PATH: Route(self._ready, is_open=not health_auth),
                **({STATUS_PATH: Route(self._status)} if status else {}),
            }
        )

    def __call__(self, request: Request) -> Response | Postponed:
        self.security.refresh()
        route = self._routes.get(request.path.removesuffix("/") or "/")
        if route is not None and route.is_open:
            return self._dressed(self._answer(route, request))
        if not self.security.takes_one_more():
            return self._dressed(plain(HTTPStatus.TOO_MANY_REQUESTS))
        credentials = self.security.credentials

        def admitted() -> Response:
            return self._dressed(replace(self._answer(route, request), is_trusted=credentials.are_needed))

        def refused(status: HTTPStatus) -> Response:
            return self._dressed(plain(status, *(credentials.challenges if status == HTTPStatus.UNAUTHORIZED else ())))

        answer = credentials.answer(request)
        if answer is Answer.NOT_YET:
            return _Check(credentials, request, admitted, refused)
        return admitted() if answer is Answer.YES else refused(HTTPStatus.UNAUTHORIZED)

    def _answer(self, route: Route | None, request: Request) -> Response:
        if route is None:
            return plain(HTTPStatus.NOT_FOUND)
        if request.method not in _METHODS:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(_METHODS)))
        return route.answer(request)

    def _dressed(self, response: Response) -> Response:
        headers = self.security.headers
        return replace(response, headers=(*response.headers, *headers)) if headers else response

    def _metrics(self, request: Request) -> Response:
        wanted = _Wanted(
            prefers_openmetrics(request.headers.get("accept", "")),
            accepts_gzip(request.headers.get("accept-encoding", "")),
            tuple(parse_qs(request.query).get("name[]", ())),
        )
        made, page = self._pages.get(wanted, (-math.inf, None))
        # A page that was made after the request came is as new as it could wish for: so many who ask at the same
        # moment do not make each other wait.
        if page is None or made < request.arrived:
            made, page = time.monotonic(), self._make_page(wanted)
            if len(self._pages) >= _MOST_PAGES:
                self._pages.clear()
            self._pages[wanted] = made, page
        return page

    def _make_page(self, wanted: _Wanted) -> Response:
        body = self._render(openmetrics=wanted.openmetrics, names=wanted.names)
        headers = [
            ("Content-Type", OPENMETRICS_CONTENT_TYPE if wanted.openmetrics else TEXT_CONTENT_TYPE),
            ("Vary", "Accept, Accept-Encoding"),
        ]
        return _packed(tuple(headers), body, wanted.gzip)

    def _status(self, request: Request) -> Response:
        page = status_page()
        headers = (*page.headers, ("Vary", "Accept-Encoding"))
        return _packed(headers, page.body, accepts_gzip(request.headers.get("accept-encoding", "")))

    def _healthy(self, _request: Request) -> Response:
        return plain(HTTPStatus.OK)

    def _ready(self, _request: Request) -> Response:
        return plain(HTTPStatus.OK if self._is_ready() else HTTPStatus.SERVICE_UNAVAILABLE)


def _packed(headers: tuple[tuple[str, str], ...], body: bytes, is_gzip: bool) -> Response:
    if len(body) >= _SMALLEST_COMPRESSED and is_gzip:
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        headers = (*headers, ("Content-Encoding", "gzip"))
    return Response(HTTPStatus.OK, headers, body)


class _Check:
    """A response that waits for the check of a password."""

    def __init__(
        self,
        credentials: Credentials,
        request: Request,
        admitted: Callable[[], Response],
        refused: Callable[[HTTPStatus], Response],
    ) -> None:
        self._credentials = credentials
        self._request = request
        self._admitted = admitted
        self._refused = refused
        self._take_back: Callable[[], None] | None = None

    def begin(self, settled: Callable[[], None]) -> None:
        try:
            self._take_back = self._credentials.check(self._request, settled)
        except TooManyAttempts:
            settled()

    def resume(self) -> Response:
        if self._take_back is None:
            return self._refused(HTTPStatus.TOO_MANY_REQUESTS)
        is_let_in = self._credentials.answer(self._request) is Answer.YES
        return self._admitted() if is_let_in else self._refused(HTTPStatus.UNAUTHORIZED)

    def cancel(self) -> None:
        if self._take_back is not None:
            self._take_back()
