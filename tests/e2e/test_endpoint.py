"""The metrics endpoint of a running gunicorn, as a scraper sees it."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable

import pytest

from tests.e2e.client import Connection
from tests.e2e.exposition import Exposition
from tests.e2e.harness import OPENMETRICS, Gunicorn, free_port
from tests.e2e.site import REQUESTS

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
# What a Prometheus server of version 2.50 sends.
PROMETHEUS_ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

pytestmark = pytest.mark.matrix


@pytest.fixture
def server(gunicorn: Callable[..., Gunicorn]) -> Gunicorn:
    """A server that has answered three requests."""
    server = gunicorn(APP)
    for _ in range(3):
        server.get()
    server.scrape_until(lambda e: e.total(REQUESTS) == 3)
    return server


def test_formats(server: Gunicorn) -> None:
    """Text by default, OpenMetrics for who prefers it, each with its media type."""
    with Connection(server.metrics_port) as connection:
        text = connection.request("GET", "/metrics")
        openmetrics = connection.request("GET", "/metrics", headers={"Accept": PROMETHEUS_ACCEPT})
        plain = connection.request("GET", "/metrics", headers={"Accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert openmetrics.body.endswith(b"\n# EOF\n")
    assert plain.headers["content-type"] == text.headers["content-type"]
    for response, is_openmetrics in ((text, False), (openmetrics, True), (plain, False)):
        assert Exposition(response.body.decode(), openmetrics=is_openmetrics).total(REQUESTS) == 3


def test_gzip(server: Gunicorn) -> None:
    """Compressed for who asks for it."""
    with Connection(server.metrics_port) as connection:
        compressed = connection.request("GET", "/metrics", headers={"Accept_Encoding": "gzip"})
        identity = connection.request("GET", "/metrics", headers={"Accept_Encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in identity.headers
    assert len(compressed.body) < len(identity.body)
    assert Exposition(gzip.decompress(compressed.body).decode(), openmetrics=False).total(REQUESTS) == 3


def test_names(server: Gunicorn) -> None:
    """``name[]`` picks families, and any number of them."""
    _, one = server.fetch(path="/metrics?name[]=gunicorn_http_requests_total")
    assert set(one.families) == {"gunicorn_http_requests"}
    query = "name[]=gunicorn_http_requests_total&name[]=gunicorn_workers&name[]=nothing"
    _, two = server.fetch(OPENMETRICS, f"/metrics?{query}")
    assert set(two.families) == {"gunicorn_http_requests", "gunicorn_workers"}
    _, none = server.fetch(path="/metrics?name[]=nothing")
    assert none.text.strip() == ""


def test_methods_and_paths(server: Gunicorn) -> None:
    """GET and HEAD of /metrics, and nothing else."""
    with Connection(server.metrics_port) as connection:
        get = connection.request("GET", "/metrics")
        head = connection.request("HEAD", "/metrics")
        assert (head.status, head.body, head.headers["content-type"]) == (200, b"", get.headers["content-type"])
    for method, path, status in (("POST", "/metrics", 405), ("DELETE", "/metrics", 405), ("GET", "/other", 404)):
        with Connection(server.metrics_port) as connection:
            assert connection.request(method, path).status == status


def test_scrapes_are_no_requests(server: Gunicorn) -> None:
    """However often it is scraped, the application's traffic is the application's."""
    for _ in range(20):
        server.scrape()
    assert server.scrape().total(REQUESTS) == 3


def test_slow_clients_do_not_stop_a_scrape(server: Gunicorn) -> None:
    """Fifty clients that send half a request, or read nothing, cost the next scraper no second."""
    slow = [Connection(server.metrics_port) for _ in range(50)]
    try:
        for number, connection in enumerate(slow):
            connection.send(
                b"GET /metrics HTTP/1.1\r\n" if number % 2 else b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20
            )
        started = time.monotonic()
        assert server.scrape().total(REQUESTS) == 3
        assert time.monotonic() - started < 2
        assert server.get().status == 200
    finally:
        for connection in slow:
            connection.close()


def test_metrics_port_in_use(gunicorn: Callable[..., Gunicorn]) -> None:
    """A clear line at once, the application is served and its numbers are kept."""
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        server = gunicorn(APP, workers=2, metrics_port=port, serves=False)
        for _ in range(3):
            assert server.get().body == b"hello"
        lines = [line for line in server.log().splitlines() if "PROMETHEUS_METRICS_PORT" in line]
        assert len(lines) == 1
        assert str(port) in lines[0]
        assert "[ERROR]" in lines[0]
        assert "Traceback" not in server.log()
    assert server.stop() == 0


def test_sidecar_mode_serves_nothing(gunicorn: Callable[..., Gunicorn]) -> None:
    """Metrics are kept for somebody else to serve."""
    server = gunicorn(APP, serves=False, env={"SIDECAR_MODE": "true"})
    server.get()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", server.metrics_port)) != 0
    assert server.directory is not None
    assert (server.directory / "counter_1.db").exists()
