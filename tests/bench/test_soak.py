"""A short soak, and that a soak would notice."""

from __future__ import annotations

import pytest

from bench.scale import CHECK
from bench.soak import differences, measure
from bench.soak_clients import Clients, Series

EXPOSITION = """\
# TYPE gunicorn_http_requests_total counter
gunicorn_http_requests_total{method="GET",endpoint="/bytes/<number>",status="200"} 3.0
gunicorn_http_requests_total{method="GET",endpoint="/stream/<number>",status="200"} 1.0
# TYPE gunicorn_http_aborted_responses_total counter
gunicorn_http_aborted_responses_total{method="GET",endpoint="/stream/<number>"} 1.0
# TYPE gunicorn_http_response_size_bytes histogram
gunicorn_http_response_size_bytes_bucket{method="GET",endpoint="/bytes/<number>",le="+Inf"} 3.0
gunicorn_http_response_size_bytes_sum{method="GET",endpoint="/bytes/<number>"} 700.0
gunicorn_http_response_size_bytes_count{method="GET",endpoint="/bytes/<number>"} 3.0
"""
# Growth that depends on how much memory the allocator keeps, which a short soak cannot tell from a leak.
_SHOWN_ONLY = ("memory", "samples")


def clients() -> Clients:
    found = Clients(1, rate=1.0)
    found.answered[Series("GET", "/bytes/<number>", "200")] = 3
    found.received["/bytes/<number>"] = 700
    found.aborted = 1
    return found


def test_nothing_differs_when_nothing_does() -> None:
    assert differences(EXPOSITION, clients()) == []


@pytest.mark.parametrize(
    ("was", "instead"),
    [
        ('status="200"} 3.0', 'status="200"} 4.0'),
        ("} 700.0", "} 701.0"),
        ('/stream/<number>"} 1.0', '/stream/<number>"} 2.0'),
        ('endpoint="/stream/<number>",status="200"} 1.0', 'endpoint="/stream/<number>",status="500"} 1.0'),
        ('endpoint="/bytes/<number>",status="200"}', 'endpoint="/other",status="200"}'),
    ],
)
def test_one_too_many_is_seen(was: str, instead: str) -> None:
    assert was in EXPOSITION
    assert differences(EXPOSITION.replace(was, instead), clients())


@pytest.mark.timeout(400)
def test_a_short_soak_is_exact_and_flat() -> None:
    result = measure(CHECK, minutes=1.2, rate=30.0)
    missed = [
        target for target in result.targets if not target.met and not any(word in target.name for word in _SHOWN_ONLY)
    ]
    assert not missed, result
