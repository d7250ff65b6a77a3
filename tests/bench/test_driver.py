"""The driver runs the real worker: what it drove is what the exporter counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from bench.driver import Drive
from bench.in_process import DriveFailed, drive_of, driven
from bench.variants import ALL, CONTROL, OURS, OURS_GTHREAD, OURS_SYNC, OURS_THREADED

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {variant.name: variant for variant in ALL}


@pytest.mark.parametrize("worker_class", [OURS_SYNC, OURS_THREADED])
@pytest.mark.parametrize("pauses", [True, False])
def test_every_driven_request_is_recorded(worker_class: str, pauses: bool, tmp_path: Path) -> None:
    drive = Drive(
        "bench.apps.plain:routed(3)", worker_class, paths=["/0", "/1", "/2"], requests=20, warm_up=10, pauses=pauses
    )
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(["core", "."])}
    command = [sys.executable, "-m", "bench.driver", json.dumps(asdict(drive))]
    said = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(said)["microseconds"] > 0
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))
    for number in range(3):
        labels = {"method": "GET", "status": "200", "endpoint": f"/collection/{number}/<int:id>"}
        assert registry.get_sample_value("gunicorn_http_requests_total", labels) == 10


@pytest.mark.parametrize("name", [CONTROL, OURS, OURS_GTHREAD])
def test_a_variant_leaves_nothing_per_request(name: str) -> None:
    """CPython's own caches take some blocks now and then, but not one a request."""
    drive = drive_of(BY_NAME[name])
    took = driven(BY_NAME[name], Drive(**{**asdict(drive), "requests": 2000, "warm_up": 200}))
    assert took.blocks < 500


def test_the_bytecodes_of_a_request_are_always_the_same() -> None:
    """Those of Gunicorn's own worker and of the application are not among them."""
    drive = {**asdict(drive_of(BY_NAME[OURS])), "requests": 20, "traced": "gunicorn_prometheus_exporter"}
    counted = [driven(BY_NAME[OURS], Drive(**drive)).bytecodes for _ in range(2)]
    assert counted[0] == counted[1]
    assert {"recorder.begin", "recorder._write"} < counted[0].keys()
    assert driven(BY_NAME[CONTROL], Drive(**{**drive, "worker_class": "sync"})).bytecodes == {}


def test_an_application_that_fails_is_no_measurement() -> None:
    with pytest.raises(DriveFailed, match="answered with status 200"):
        driven(
            BY_NAME[OURS], Drive("bench.apps.plain:routed(1)", OURS_SYNC, paths=["/elsewhere"], requests=5, warm_up=0)
        )
