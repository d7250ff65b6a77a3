"""A worker's state, out of its phase, its requests and its process."""

from __future__ import annotations

import psutil
import pytest

from gunicorn_prometheus_exporter.master.worker_state import WORKER_STATES, lifecycle_state, saturation_state
from gunicorn_prometheus_exporter.storage.journal import Phase


@pytest.mark.parametrize(
    ("phase", "is_busy", "state"),
    [
        (Phase.BOOTING, False, "booting"),
        (Phase.RUNNING, False, "idle"),
        (Phase.RUNNING, True, "busy"),
        (Phase.QUITTING, True, "draining"),
        (Phase.QUITTING, False, "draining"),
        (Phase.ABORTING, True, "draining"),
    ],
)
def test_of_what_use_it_is(phase: Phase, is_busy: bool, state: str) -> None:
    """A worker that has stopped taking requests is draining, busy or not."""
    assert saturation_state(phase, is_busy=is_busy) == state
    assert state in WORKER_STATES


@pytest.mark.parametrize(
    ("phase", "status", "state"),
    [
        (Phase.BOOTING, psutil.STATUS_RUNNING, "running"),
        (Phase.RUNNING, psutil.STATUS_SLEEPING, "running"),
        (Phase.RUNNING, psutil.STATUS_DISK_SLEEP, "running"),
        (Phase.QUITTING, psutil.STATUS_SLEEPING, "quitting"),
        (Phase.ABORTING, psutil.STATUS_SLEEPING, "aborting"),
        (Phase.RUNNING, psutil.STATUS_STOPPED, "stopped"),
        (Phase.QUITTING, psutil.STATUS_ZOMBIE, "stopped"),
    ],
)
def test_what_it_is_about(phase: Phase, status: str, state: str) -> None:
    """A process that does not run is stopped, whatever it was about."""
    assert lifecycle_state(phase, status) == state
