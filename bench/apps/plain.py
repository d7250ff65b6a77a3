"""A WSGI application without a framework: alone, behind middleware, with many endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Spelled out, because this module is loaded where the exporter is not installed.
_NOTE_KEY = "gunicorn_prometheus_exporter.note"


def bare() -> App:
    """Five bytes, whatever is asked for."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", "5")]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [b"hello"]

    return app


def sleeping(seconds: float) -> App:
    """As `bare`, after a sleep."""
    answer = bare()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(seconds)
        return answer(environ, start_response)

    return app


def routed(endpoints: int) -> App:
    """As `bare`, and tells the exporter, where there is one, which of ``endpoints`` templates a path belongs to."""
    answer = bare()
    templates = {path: f"/collection{path}/<int:id>" for path in paths(endpoints)}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        template = templates[environ["PATH_INFO"]]
        note = environ.get(_NOTE_KEY)
        if note is not None:
            note.endpoint(template)
        return answer(environ, start_response)

    return app


def paths(endpoints: int) -> list[str]:
    """The paths that `routed` knows."""
    return [f"/{number}" for number in range(endpoints)]


def prometheus_client() -> App:
    """A counter and a histogram in a middleware, as prometheus_client's documentation shows it."""
    from prometheus_client import Counter, Histogram

    requests = Counter("app_requests", "Requests.", ["method", "status"])
    duration = Histogram("app_request_duration_seconds", "Time to the response.", ["method"])
    answer = bare()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = time.perf_counter()
        method = environ["REQUEST_METHOD"]

        def counting_start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            requests.labels(method, status[:3]).inc()
            return start_response(status, headers, exc_info)

        body = answer(environ, counting_start_response)
        duration.labels(method).observe(time.perf_counter() - started)
        return body

    return app


def opentelemetry() -> App:
    """OpenTelemetry's WSGI instrumentation with its metrics read for Prometheus, and no traces."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.metrics import MeterProvider

    app: App = OpenTelemetryMiddleware(bare(), meter_provider=MeterProvider([PrometheusMetricReader()]))
    return app
