"""The endpoint itself, in this process, before metrics that a test writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.service import MetricsService
from gunicorn_prometheus_exporter.settings import Settings
from tests.e2e.harness import free_port

Labels = Mapping[str, str]

HEALTHY = """\
gunicorn_workers{state="idle"} 2.0
gunicorn_workers{state="busy"} 1.0
gunicorn_workers{state="booting"} 0.0
gunicorn_workers{state="draining"} 0.0
gunicorn_workers_configured 3.0
gunicorn_listener_backlog{listener="http://127.0.0.1:8000"} 0.0
gunicorn_listener_backlog_limit{listener="http://127.0.0.1:8000"} 2048.0
gunicorn_worker_start_time_seconds{worker_id="1"} 1.7e+09
gunicorn_worker_start_time_seconds{worker_id="2"} 1.7e+09
gunicorn_worker_start_time_seconds{worker_id="3"} 1.7e+09
gunicorn_worker_busy_seconds_total{worker_id="1"} 1.0
gunicorn_worker_busy_seconds_total{worker_id="2"} 1.0
gunicorn_worker_busy_seconds_total{worker_id="3"} 1.0
gunicorn_worker_exits_total{reason="timeout"} 0.0
gunicorn_worker_exits_total{reason="crash"} 0.0
gunicorn_master_start_time_seconds 1.7e+09
gunicorn_info{gunicorn_version="27.0.0",python_version="3.14.0",storage="file",version="1.0",worker_class="Sync"} 1.0
"""


def sample(name: str, value: float, **labels: str) -> str:
    """One line of an exposition, with whatever is in ``labels``."""
    escape = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
    pairs = ",".join(f'{key}="{text.translate(escape)}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} {value}\n"


def traffic(endpoint: str, requests: int, *, status: str = "200", method: str = "GET", **fast: int) -> str:
    """``requests`` of an endpoint. In ``fast``, how many took at most 0.1 s: ``within=`` ; the others at most 0.5 s."""
    labels = {"endpoint": endpoint, "method": method}
    within = fast.get("within", requests)
    buckets = {"0.05": 0, "0.1": within, "0.5": requests, "+Inf": requests}
    return (
        sample("gunicorn_http_requests_total", requests, status=status, **labels)
        + "".join(
            sample("gunicorn_http_request_duration_seconds_bucket", count, le=bound, **labels)
            for bound, count in buckets.items()
        )
        + sample("gunicorn_http_request_size_bytes_sum", requests * 10, **labels)
        + sample("gunicorn_http_response_size_bytes_sum", requests * 3000, **labels)
    )


class Stand:
    """Serves ``text`` on ``port``; it may be changed at any time. ``settings`` are those of the endpoint."""

    def __init__(self, text: str = HEALTHY, **settings: Any) -> None:
        self.text = text
        self.port = free_port()
        self.scrapes = 0
        self.failures: list[tuple[str, Exception]] = []
        self._service = MetricsService(
            Settings(bind_address="127.0.0.1", metrics_port=self.port, **settings),
            self._render,
            is_ready=lambda: True,
            gate=ForkGate(),
            on_failure=lambda component, error: self.failures.append((component, error)),
        )
        self.open()

    def open(self) -> None:
        self._service.open()

    def close(self) -> None:
        self._service.close()

    def _render(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        self.scrapes += 1
        return self.text.encode()
