from __future__ import annotations

import pytest

from bench.load import parse_wrk

WRK = """\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 4 connections
  Latency Distribution
     50%  812.00us
     75%    1.02ms
     90%    1.50ms
     99%    1.20s
  9000 requests in 2.00s, 1.32MB read
Requests/sec:   4499.55
Transfer/sec:    676.11KB
"""


def test_what_wrk_prints_is_understood() -> None:
    load = parse_wrk(WRK)
    assert (load.requests, load.rate) == (9000, 4499.55)
    assert load.latency == {50: pytest.approx(0.000812), 90: pytest.approx(0.0015), 99: pytest.approx(1.2)}


@pytest.mark.parametrize("trouble", ["  Non-2xx or 3xx responses: 3", "  Socket errors: connect 0, read 3"])
def test_failed_requests_are_no_measurement(trouble: str) -> None:
    with pytest.raises(RuntimeError, match="failed"):
        parse_wrk(WRK + trouble)
