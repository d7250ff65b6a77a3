"""What a scraper gets from /metrics, over a real socket."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.endpoint import MetricsEndpoint
from gunicorn_prometheus_exporter.server.passwords import Passwords
from gunicorn_prometheus_exporter.server.policy import matches_bcrypt
from gunicorn_prometheus_exporter.server.security import Security
from gunicorn_prometheus_exporter.server.status.page import status_page
from gunicorn_prometheus_exporter.settings import Settings

LONG = b"up 1\n" * 1000


class Page:
    """Renders a fixed page and remembers what was asked for."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked: list[tuple[bool, tuple[str, ...]]] = []

    def __call__(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        self.asked.append((openmetrics, names))
        return self.body


@pytest.fixture
def page() -> Page:
    return Page(LONG)


@pytest.fixture
def served(serve: Callable[..., Any], page: Page) -> Any:
    return serve(MetricsEndpoint(page, lambda: True, Security(Settings(), Passwords(matches_bcrypt), print)))


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_a_plain_scrape(served: Any, page: Page, path: str) -> None:
    """The text format, uncompressed, is the answer to a client that asks for nothing special."""
    response, body = served.scrape(path)

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Vary"] == "Accept, Accept-Encoding"
    assert response.headers["Content-Encoding"] is None
    assert response.headers["Server"] is None
    assert body == LONG
    assert page.asked == [(False, ())]


def test_an_openmetrics_scrape(served: Any, page: Page) -> None:
    """The format that is announced is the one that is rendered."""
    response, _ = served.scrape(Accept="application/openmetrics-text; version=1.0.0")

    assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert page.asked == [(True, ())]


def test_gzip(served: Any) -> None:
    """A page of some size is compressed for who takes it, and has the length of what is sent."""
    response, body = served.scrape(Accept_Encoding="gzip")

    assert response.headers["Content-Encoding"] == "gzip"
    assert int(response.headers["Content-Length"]) == len(body) < len(LONG)
    assert gzip.decompress(body) == LONG


def test_a_small_page_is_not_compressed(served: Any, page: Page) -> None:
    """Compressing what fits one packet only costs."""
    page.body = b"up 1\n"

    response, body = served.scrape(Accept_Encoding="gzip")

    assert response.headers["Content-Encoding"] is None
    assert body == b"up 1\n"


def test_head(served: Any) -> None:
    """HEAD has the headers of GET and no body."""
    response, body = served.scrape(method="HEAD")

    assert response.status == 200
    assert response.headers["Content-Length"] == str(len(LONG))
    assert body == b""


def test_names(served: Any, page: Page) -> None:
    """``name[]`` picks families, decoded and as often as it is given; anything else in the query is left alone."""
    served.scrape("/metrics?name[]=up&name%5B%5D=a%3Ab&name[]=&name=no&debug")

    assert page.asked == [(False, ("up", "a:b"))]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(served: Any, page: Page, method: str) -> None:
    """Nothing but reading is allowed, and the answer says what is."""
    response, body = served.scrape(method=method)

    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert body == b"405 Method Not Allowed\n"
    assert page.asked == []


@pytest.mark.parametrize("path", ["/", "/metric", "/metrics/x", "/metrics//", "//metrics", "/METRICS", "*"])
def test_other_paths(served: Any, page: Page, path: str) -> None:
    """There is nothing but the metrics."""
    response, _ = served.scrape(path)

    assert response.status == 404
    assert page.asked == []


@pytest.fixture
def seen(serve: Callable[..., Any], page: Page) -> Any:
    status_page.cache_clear()
    security = Security(Settings(), Passwords(matches_bcrypt), print)
    return serve(MetricsEndpoint(page, lambda: True, security, status=True))


def test_the_status_page(seen: Any, page: Page) -> None:
    """One page that needs nothing else, and a policy with which a browser runs what is in it and nothing else."""
    response, body = seen.scrape("/")

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for name, element in (("script-src", b"script"), ("style-src", b"style")):
        (content,) = re.findall(b"<%b>(.*?)</%b>" % (element, element), body, flags=re.DOTALL)
        assert policy[name] == f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"
    assert re.findall(rb"https?://(?!www\.w3\.org/2000/svg)", body) == []
    assert page.asked == []


def test_the_status_page_without_its_files(seen: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An upgrade may take them away from under a server before anybody has looked."""
    monkeypatch.setattr("gunicorn_prometheus_exporter.server.status.page.files", lambda _package: tmp_path)
    response, _ = seen.scrape("/")

    assert response.status == 200


def test_the_status_page_compressed(seen: Any) -> None:
    """It is small for a phone."""
    _, plain = seen.scrape("/")
    response, body = seen.scrape("/", Accept_Encoding="gzip")

    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert len(body) < 20_000
