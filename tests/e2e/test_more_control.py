"""What is recorded, and how often, as the settings say: one real server, reloaded with one file after another."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.stored import stored_by
from tests.e2e.test_settings import APP, LOAD, yaml_text

START = Callable[..., Gunicorn]


def reload_with(server: Gunicorn, settings: dict[str, object]) -> None:
    """Let ``server`` read these settings, and wait for its new workers."""
    (server.home / "exporter.yml").write_text(yaml_text(settings))
    old = set(server.worker_pids())
    server.signal(signal.SIGHUP)
    wait_until(lambda: (new := set(server.worker_pids())) and not old & new, 20)


@pytest.mark.setting("sampler_interval")
def test_sampler_interval(gunicorn: START) -> None:
    """Nobody scrapes: for five minutes nothing is sampled, and after a reload it is ten times a second."""
    server = gunicorn(APP, conf=LOAD, files={"exporter.yml": yaml_text({"sampler_interval": 300})})
    time.sleep(1.5)
    assert not stored_by(server).samples("gunicorn_workers")
    reload_with(server, {"sampler_interval": 0.1})
    wait_until(lambda: stored_by(server).total("gunicorn_workers", state="idle") == 1)
    looks = {stored_by(server).total("gunicorn_worker_uptime_seconds") for _ in range(40) if not time.sleep(0.05)}
    assert len(looks) >= 3
