"""The endpoint as its settings put it together."""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.service import MetricsService
from gunicorn_prometheus_exporter.settings import Settings
from tests.core.server.authority import Authority
from tests.e2e.harness import free_port


def render(*, openmetrics: bool, names: tuple[str, ...]) -> bytes:
    return b"up 1\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[MetricsService]:
    certificate, key = Authority(tmp_path).issue("server")
    settings = Settings(
        metrics_port=free_port(), bind_address="127.0.0.1", ssl_enabled=True, ssl_certfile=certificate, ssl_keyfile=key
    )
    service = MetricsService(settings, render, is_ready=lambda: True, gate=ForkGate(), on_failure=print)
    service.open()
    yield service
    service.close()


def test_a_forked_child_forgets_the_key(service: MetricsService) -> None:
    """Nothing in a child that has let go refers to what the endpoint speaks TLS with."""
    time.sleep(0.2)
    context = service._endpoint.security.context()
    assert context is not None
    watch = weakref.ref(context)
    del context
    pid = os.fork()
    if pid == 0:
        service.abandon()
        gc.collect()
        os._exit(0 if watch() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert watch() is not None


def test_it_can_be_opened_again(service: MetricsService) -> None:
    """A port that was closed can be had again."""
    assert service.fileno() >= 0
    service.close()
    assert service.fileno() == -1
    assert not service.is_open
    service.open()
    assert service.is_open
