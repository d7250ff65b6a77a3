"""What requests to a Pyramid application produce, seen through the test helper that users have too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from webob import Request

from gunicorn_prometheus_exporter.testing import EXCEPTIONS, REQUESTS, RecordedMetrics
from tests.e2e.conftest import gunicorn as gunicorn
from tests.e2e.conftest import pytest_runtest_makereport as pytest_runtest_makereport


class Recorded(NamedTuple):
    """What one request left: its status, its endpoint, and (class, handled, source) of each exception, sorted."""

    status: int
    endpoint: str
    exceptions: tuple[tuple[str, str, str], ...]


Ask = Callable[..., Recorded]


@pytest.fixture
def ask() -> Ask:
    """``ask(app, path, method="GET", **options)`` makes one request; what escapes the application is let go."""

    def ask_once(app: Any, path: str, method: str = "GET", **options: Any) -> Recorded:
        metrics = RecordedMetrics()
        request = Request.blank(path, method=method, **options)
        try:
            b"".join(request.call_application(metrics.wsgi(app))[2])
        except BaseException:
            assert metrics.value(EXCEPTIONS, handled="false") >= 1
        (seen,) = metrics.labels(REQUESTS)
        exceptions = [
            (labels["error_type"], labels["handled"], labels["source"])
            for labels in metrics.labels(EXCEPTIONS)
            for _ in range(metrics.value(EXCEPTIONS, **labels))
        ]
        return Recorded(int(seen["status"]), seen["endpoint"], tuple(sorted(exceptions)))

    return ask_once
