"""What `top` makes of two scrapes."""

from __future__ import annotations

import math

import pytest

from gunicorn_prometheus_exporter.cli.top.exposition import parse
from gunicorn_prometheus_exporter.cli.top.picture import picture, quantile

BEFORE = """\
# TYPE gunicorn_http_requests_total counter
gunicorn_http_requests_total{endpoint="/a",method="GET",status="200"} 10
gunicorn_http_requests_total{endpoint="/gone",method="GET",status="200"} 1000
gunicorn_worker_busy_seconds_total{worker_id="1"} 5
gunicorn_worker_requests_total{worker_id="1"} 1010
my_own_requests_total{endpoint="/a"} 1e9
"""
NOW = """\
# TYPE gunicorn_http_requests_total counter
gunicorn_http_requests_total{endpoint="/a",method="GET",status="200"} 30
gunicorn_http_requests_total{endpoint="/a",method="POST",status="503"} 20
gunicorn_http_requests_total{endpoint="/gone",method="GET",status="200"} 4
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="GET",le="0.1"} 20
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="GET",le="1"} 20
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="POST",le="0.1"} 0
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="POST",le="1"} 20
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="GET",le="+Inf"} 20
gunicorn_http_request_duration_seconds_bucket{endpoint="/a",method="POST",le="+Inf"} 20
gunicorn_http_exceptions_total{endpoint="/a",error_type="KeyError",handled="false",method="POST",source="wsgi"} 20
gunicorn_http_request_size_bytes_sum{endpoint="/a",method="POST"} 4096
gunicorn_http_response_size_bytes_sum{endpoint="/a",method="GET"} 8192
gunicorn_worker_busy_seconds_total{worker_id="1"} 6
gunicorn_worker_busy_seconds_total{worker_id="2"} 9
gunicorn_worker_requests_total{worker_id="1"} 1054
gunicorn_worker_uptime_seconds{worker_id="1"} 61
gunicorn_worker_state{state="running",timestamp="1",worker_id="1"} 1
gunicorn_worker_requests_in_progress{worker_id="1"} 1
gunicorn_worker_memory_bytes{worker_id="1"} 1024
gunicorn_worker_cpu_percent{worker_id="1"} 50
gunicorn_workers{state="busy"} 1
gunicorn_workers_configured 2
gunicorn_worker_exits_total{reason="sigkill"} 3
gunicorn_worker_exits_total{reason="crash"} 0
gunicorn_listener_backlog{listener="http://x"} 7
gunicorn_listener_backlog_limit{listener="http://x"} 2048
"""
NAMES = {
    "gunicorn_http_request_duration_seconds": "http_server_request_duration_seconds",
    "gunicorn_http_request_size_bytes": "http_server_request_body_size_bytes",
    "gunicorn_http_response_size_bytes": "http_server_response_body_size_bytes",
}


def test_two_scrapes_make_a_picture() -> None:
    shown = picture(parse(BEFORE, 100.0), parse(NOW, 102.0))
    endpoints = {endpoint.name: endpoint for endpoint in shown.endpoints}
    a = endpoints["/a"]
    assert (a.requests, a.errors, a.error_ratio, a.exceptions) == (20.0, 10.0, 0.5, 10.0)
    assert (a.received, a.sent) == (2048.0, 4096.0)
    assert a.quantile(0.5) == pytest.approx(0.1)
    assert a.quantile(0.75) == pytest.approx(0.55)
    # A counter that fell has started anew.
    assert endpoints["/gone"].requests == 2.0
    assert shown.whole.requests == 22.0
    (worker,) = shown.workers
    assert (worker.slot, worker.state, worker.requests, worker.busy) == ("1", "running", 22.0, 0.5)
    assert (worker.in_progress, worker.memory, worker.cpu, worker.uptime) == (1.0, 1024.0, 0.5, 61.0)
    assert (shown.busy, shown.in_progress, shown.states, shown.configured) == (0.5, 1.0, {"busy": 1.0}, 2.0)
    assert shown.backlogs == {"http://x": (7.0, 2048.0)}
    assert shown.exits == {"sigkill": 3.0}


def test_what_an_application_says_of_itself_is_not_parsed() -> None:
    assert not parse("my_own_requests_total{endpoint=broken\n" + BEFORE, 0.0).of("my_own_requests_total")


@pytest.mark.parametrize(
    ("buckets", "share", "value"),
    [
        ({}, 0.5, math.nan),
        ({math.inf: 0.0}, 0.5, math.nan),
        ({1.0: 4.0, 2.0: 8.0, math.inf: 8.0}, 0.5, 1.0),
        ({1.0: 4.0, 2.0: 8.0, math.inf: 8.0}, 0.75, 1.5),
        ({1.0: 0.0, 2.0: 8.0, math.inf: 8.0}, 0.5, 1.5),
        # Beyond the last bound nobody knows how far.
        ({1.0: 0.0, math.inf: 8.0}, 0.5, 1.0),
    ],
)
def test_quantiles_are_those_of_promql(buckets: dict[float, float], share: float, value: float) -> None:
    assert quantile(buckets, share) == pytest.approx(value, nan_ok=True)


def test_by_the_conventions() -> None:
    """With ``naming: otel`` the picture is the same; where our names are there too, the others are an application's."""
    shown = picture(parse(BEFORE, 100.0), parse(NOW, 102.0))
    theirs = NOW
    for ours, name in NAMES.items():
        theirs = theirs.replace(f"{ours}_", f"{name}_")
    lines = theirs.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("http_server_"):
            lines[index] = line.replace("endpoint=", "http_route=").replace("method=", "http_request_method=")
    types = [f"# TYPE {name} histogram" for name in NAMES.values()]
    assert picture(parse(BEFORE, 100.0), parse("\n".join([*types, *lines]) + "\n", 102.0)) == shown
    both = NOW + "\n".join([*types, *(line for line in lines if line.startswith("http_server_"))]) + "\n"
    assert picture(parse(BEFORE, 100.0), parse(both, 102.0)) == shown
