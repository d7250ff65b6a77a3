"""The one flag: a worker class and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.harness import Gunicorn

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""

pytestmark = pytest.mark.matrix


def test_one_flag(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """Two workers and no configuration: every request is counted, in families that parse."""
    server = gunicorn(APP, worker_class=worker_class, workers=2)
    for _ in range(20):
        assert server.get("/").body == b"hello"
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 20)
    assert seen.value("gunicorn_http_requests_total", method="GET", endpoint="__unrouted__", status="200") == 20
    assert seen.value("gunicorn_http_response_size_bytes_sum", method="GET", endpoint="__unrouted__") == 100
