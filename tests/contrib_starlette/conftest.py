"""Requests to an application by its test client, and what they would leave in the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from gunicorn_prometheus_exporter.testing import ABORTED, EXCEPTIONS, REQUESTS, RecordedMetrics


class Seen(NamedTuple):
    """``exceptions`` are (class, handled, source)."""

    status: int
    endpoint: str
    exceptions: tuple[tuple[str, str, str], ...]


Ask = Callable[..., Seen]


@pytest.fixture
def ask() -> Ask:
    """``ask(app, path, method)``: what one request leaves."""

    def call(app: Any, path: str, method: str = "GET", **options: Any) -> Seen:
        metrics = RecordedMetrics()
        client = TestClient(metrics.asgi(app), raise_server_exceptions=False)
        status = client.request(method, path, follow_redirects=False, **options).status_code
        (request,) = metrics.labels(REQUESTS)
        assert request["status"] == str(status)
        assert request["method"] == method
        assert metrics.value(ABORTED) == 0
        exceptions = [(e["error_type"], e["handled"], e["source"]) for e in metrics.labels(EXCEPTIONS)]
        return Seen(status, request["endpoint"], tuple(exceptions))

    return call
