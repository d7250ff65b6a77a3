"""What is recorded, and how often, as the settings say: one real server, reloaded with one file after another."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable

import pytest

from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.stored import stored_by
from tests.e2e.test_settings import APP, LOAD, yaml_text

START = Callable[..., Gunicorn]


ROUTED = """
from gunicorn_prometheus_exporter.note import note_of
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if not path.startswith("/plain"):
        note_of(environ).endpoint(path)
    if path == "/raise":
        raise ValueError
    start_response("200 OK", [("Content-Length", "3")])
    return [b"abc"]
"""


def reload_with(server: Gunicorn, settings: dict[str, object]) -> None:
    """Let ``server`` read these settings, and wait for its new workers."""
    (server.home / "exporter.yml").write_text(yaml_text(settings))
    old = set(server.worker_pids())
    server.signal(signal.SIGHUP)
    wait_until(lambda: (new := set(server.worker_pids())) and not old & new, 20)


@pytest.mark.setting("sampler_interval")
def test_sampler_interval(gunicorn: START) -> None:
    """Nobody scrapes: for five minutes nothing is sampled, and after a reload it is ten times a second.

    An excluded endpoint whose worker is killed for its timeout has no name either.
    """
    server = gunicorn(APP, conf=LOAD, files={"exporter.yml": yaml_text({"sampler_interval": 300})})
    time.sleep(1.5)
    assert not stored_by(server).samples("gunicorn_workers")
    excluded = {"excluded_endpoints": ["__unrouted__"], "gunicorn.timeout": 1}
    reload_with(server, {"sampler_interval": 0.1, **excluded})
    wait_until(lambda: stored_by(server).total("gunicorn_workers", state="idle") == 1)
    looks = {stored_by(server).total("gunicorn_worker_uptime_seconds") for _ in range(40) if not time.sleep(0.05)}
    assert len(looks) >= 3
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: stored_by(server).total("gunicorn_http_excluded_requests_total") == 1, 20)
    assert stored_by(server).value("gunicorn_worker_timeouts_total", endpoint="__excluded__") == 1
    assert not stored_by(server).samples("gunicorn_http_requests_total")


DURATION = "gunicorn_http_request_duration_seconds"
SIZE = "gunicorn_http_response_size_bytes"


def bounds(seen: Exposition, family: str) -> set[str]:
    return seen.label_values(f"{family}_bucket", "le")


@pytest.mark.setting("excluded_endpoints", "buckets", "disabled_families")
def test_traffic(gunicorn: START) -> None:
    """What of the requests is recorded."""
    settings: dict[str, object] = {
        "excluded_endpoints": ["/healthz", "/plain/health", "/raise"],
        "buckets": {SIZE: [2, 4]},
    }
    server = gunicorn(ROUTED, conf=LOAD, files={"exporter.yml": yaml_text(settings)})
    for path in ("/healthz", "/plain/health", "/plain/other", "/users", "/raise"):
        server.get(path)
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_excluded_requests_total") == 3)
    requests = {s.labels["endpoint"]: s.value for s in seen.samples("gunicorn_http_requests_total")}
    assert requests == {"__unrouted__": 1, "/users": 1}
    assert seen.total("gunicorn_worker_requests_total") == 2
    assert seen.total("gunicorn_http_exceptions_total") == seen.total("gunicorn_worker_failed_requests_total") == 0
    assert seen.total("gunicorn_worker_requests_in_progress") == 0

    assert bounds(seen, SIZE) == {"2.0", "4.0", "+Inf"}
    assert seen.value(f"{SIZE}_bucket", endpoint="/users", le="4.0") == 1
    assert seen.total(f"{SIZE}_bucket", le="2.0") == 0

    reload_with(server, {"buckets": {SIZE: [3, 5], DURATION: [0.1, 30]}})
    server.get("/healthz")
    server.get("/users")
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total", endpoint="/healthz") == 1)
    assert bounds(seen, SIZE) == {"3.0", "5.0", "+Inf"}
    buckets = [seen.value(f"{SIZE}_bucket", endpoint="/users", le=le) for le in ("3.0", "5.0", "+Inf")]
    assert buckets == [1, 2, 2]
    assert seen.value(f"{SIZE}_sum", endpoint="/users") == 6
    assert bounds(seen, DURATION) == bounds(seen, "gunicorn_worker_request_duration_seconds") | {"30.0", "+Inf"}
    assert seen.total("gunicorn_worker_request_duration_seconds_bucket", le="30.0") == 4

    off = ["gunicorn_http_request_duration_seconds", "gunicorn_http_exceptions_total", "gunicorn_worker_memory_*"]
    off += ["gunicorn_exporter_series", "gunicorn_worker_exits", "gunicorn_worker_requests_in_progress"]
    reload_with(server, {"disabled_families": off})
    stored = stored_by(server)
    server.get("/users")
    server.get("/raise")
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total", endpoint="/users") == 3)
    for name in (*off, "gunicorn_worker_request_duration_seconds", "gunicorn_worker_failed_requests"):
        assert not [family for family in seen.families if family.startswith(name.removesuffix("_total").rstrip("*"))]
    assert seen.total("gunicorn_worker_requests_total") == 6
    assert seen.value(f"{SIZE}_count", endpoint="/users") == 3
    for name in ("gunicorn_http_exceptions_total", f"{DURATION}_count"):
        assert stored_by(server).total(name) == stored.total(name)
    assert not stored_by(server).samples("gunicorn_worker_requests_in_progress")
    assert "no such setting" not in server.log()
