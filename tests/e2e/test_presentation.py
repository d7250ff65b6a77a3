"""How the numbers are shown: with labels that everything has, by OpenTelemetry's names, with exemplars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import finish
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.stored import stored_in
from tests.monitoring.live import Prometheus

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
ENVIRONMENT = {
    "PROMETHEUS_CONSTANT_LABELS": "team=shop,zone=eu-1a",
    "PROMETHEUS_NAMING": "otel",
    "PROMETHEUS_EXEMPLARS": "true",
}
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
    server = gunicorn(
        ASGI_APP, worker_class=asgi_worker_class, env={"PROMETHEUS_NAMING": "otel", "PROMETHEUS_EXEMPLARS": "true"}
    )
    server.get("/", X_Forwarded_Proto="https", Traceparent=traceparent("c"))
    seen = server.scrape_until(lambda e: e.total(f"{DURATION}_count") == 1)
    assert seen.value(f"{DURATION}_count", http_response_status_code="200", http_request_method="GET") == 1
    assert seen.label_values(f"{DURATION}_count", "url_scheme") <= {"http", "https"}
    assert seen.samples(f"{DURATION}_count", url_scheme="http") or seen.samples(f"{DURATION}_count", url_scheme="https")
    assert traces(seen) == {"c" * 32}


@pytest.mark.setting("exemplars")
def test_exemplars(server: Gunicorn, prometheus_binary: Path, tmp_path: Path) -> None:
    """A real Prometheus gets the traces that are sampled; no header that a client can think of spoils the page."""
    for letter, flags in (("a", "01"), ("b", "00"), ("0", "01"), ("G", "01"), ('"', "01")):
        server.get("/201", Traceparent=traceparent(letter, flags))
    server.get("/404", Traceparent=traceparent("d"))
    server.get("/404", Traceparent="\xff" * 55)
    seen = server.scrape_until(lambda e: len(traces(e)) >= 2)
    assert traces(seen) == {"a" * 32, "d" * 32}
    [sample] = [s for s in seen.samples(f"{DURATION}_bucket", http_response_status_code="201") if s.exemplar]
    assert sample.exemplar is not None
    assert 0 < sample.exemplar.value <= float(sample.labels["le"])
    assert "trace_id" not in server.fetch()[1].text
    flag = "--enable-feature=exemplar-storage"
    with Prometheus(prometheus_binary, tmp_path, {"app": server.metrics_port}, flag) as scraping:
        found = wait_until(lambda: scraping.exemplars(f"{DURATION}_bucket"), 30, "exemplars in Prometheus")
    assert {one["labels"]["trace_id"] for series in found for one in series["exemplars"]} == {"a" * 32, "d" * 32}
    assert {series["seriesLabels"]["zone"] for series in found} == {"eu-1a"}


def traceparent(letter: str, flags: str = "01") -> str:
    return f"00-{letter * 32}-00f067aa0ba902b7-{flags}"


def traces(seen: Exposition) -> set[str]:
    """Those that any sample names."""
    found = [sample.exemplar for sample in seen.samples(f"{DURATION}_bucket") if sample.exemplar is not None]
    return {exemplar.labels["trace_id"] for exemplar in found}
