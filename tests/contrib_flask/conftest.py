"""What requests to a Flask application produce, seen through the test helper that users have too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.test import Client

from gunicorn_prometheus_exporter.testing import EXCEPTIONS, REQUESTS, RecordedMetrics


class Recorded(NamedTuple):
    """What one request left: the endpoint, the status, and (class, handled, source) of each exception."""

    endpoint: str
    status: str
    exceptions: list[tuple[str, str, str]]


Ask = Callable[..., Recorded]


@pytest.fixture
def app() -> Flask:
    """An application without the bridge."""
    return Flask("site", static_folder=None)


@pytest.fixture
def ask() -> Ask:
    """``ask(app, path, method="GET", **options)`` makes one request; what escapes the application is let go."""

    def ask_once(app: Any, path: str, method: str = "GET", **options: Any) -> Recorded:
        metrics = RecordedMetrics()
        try:
            Client(metrics.wsgi(app)).open(path, method=method, buffered=True, **options).close()
        except Exception:
            assert metrics.value(EXCEPTIONS, handled="false") >= 1
        (request,) = metrics.labels(REQUESTS)
        assert request["method"] == method
        return Recorded(
            request["endpoint"],
            request["status"],
            sorted((e["error_type"], e["handled"], e["source"]) for e in metrics.labels(EXCEPTIONS)),
        )

    return ask_once
