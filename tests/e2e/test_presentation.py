"""How the numbers are shown: with labels that everything has, by OpenTelemetry's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import finish
from tests.e2e.harness import Gunicorn
from tests.e2e.stored import stored_in

APP = """
from prometheus_client import Counter
OWN = Counter("shop_sales", "Help.", ["team"])

def app(environ, start_response):
    OWN.labels("mine").inc()
    environ["wsgi.input"].read()
    status = environ["PATH_INFO"][1:] or "200"
    start_response(f"{status} Status", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI_APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
"""
ENVIRONMENT = {"PROMETHEUS_CONSTANT_LABELS": "team=shop,zone=eu-1a", "PROMETHEUS_NAMING": "otel"}
DURATION = "http_server_request_duration_seconds"


@pytest.fixture(scope="module")
def server(promtool: Path) -> Iterator[Gunicorn]:
    running = Gunicorn(APP, workers=2, env=ENVIRONMENT)
    yield running
    finish([running], promtool)


@pytest.mark.setting("constant_labels")
def test_constant_labels(server: Gunicorn) -> None:
    """Every sample has them, the application's too; a label of that name which it has itself wins."""
    server.get()
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") >= 1)
    for family in seen.families.values():
        for sample in family.samples:
            assert sample.labels["zone"] == "eu-1a"
            assert sample.labels["team"] == ("mine" if family.name == "shop_sales" else "shop")


@pytest.mark.setting("naming")
def test_by_the_conventions(server: Gunicorn) -> None:
    """Each request is in one series by method, status and scheme; who reads the directory by our names sees all."""
    for _ in range(3):
        server.get("/201", X_Forwarded_Proto="https")
    server.get("/503", "POST", b"body")
    seen = server.scrape_until(lambda e: e.total(f"{DURATION}_count", http_response_status_code="503") == 1)
    assert seen.value(f"{DURATION}_count", http_response_status_code="201", url_scheme="https") == 3
    [failed] = seen.samples(f"{DURATION}_count", http_response_status_code="503")
    assert failed.labels == {
        "http_request_method": "POST",
        "http_response_status_code": "503",
        "url_scheme": "http",
        "error_type": "503",
        "team": "shop",
        "zone": "eu-1a",
    }
    assert seen.value("http_server_request_body_size_bytes_sum", http_response_status_code="503") == 4
    assert seen.total("http_server_response_body_size_bytes_sum", http_request_method="POST") == 2
    assert seen.value("http_server_active_requests") == 0
    total = seen.total("gunicorn_http_requests_total")
    assert seen.total(f"{DURATION}_count") == seen.total("gunicorn_worker_requests_total") == total
    assert server.directory is not None
    ours = stored_in(server.directory)
    assert ours.total("gunicorn_http_request_duration_seconds_count") == total
    assert ours.value("gunicorn_http_request_duration_seconds_count", method="POST") == 1
    assert not ours.samples(f"{DURATION}_count")


def test_an_asgi_worker(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """Tells the same, scheme and status included."""
    server = gunicorn(ASGI_APP, worker_class=asgi_worker_class, env={"PROMETHEUS_NAMING": "otel"})
    server.get("/", X_Forwarded_Proto="https")
    seen = server.scrape_until(lambda e: e.total(f"{DURATION}_count") == 1)
    assert seen.value(f"{DURATION}_count", http_response_status_code="200", http_request_method="GET") == 1
    assert seen.label_values(f"{DURATION}_count", "url_scheme") <= {"http", "https"}
    assert seen.samples(f"{DURATION}_count", url_scheme="http") or seen.samples(f"{DURATION}_count", url_scheme="https")
