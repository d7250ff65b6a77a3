"""What state a worker is in, out of what is known about it."""

from __future__ import annotations

from typing import Final

import psutil

from ..storage.journal import Phase

WORKER_STATES: Final = ("booting", "idle", "busy", "draining")

_NOT_RUNNING: Final = frozenset(
    {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
)


def saturation_state(phase: Phase, *, is_busy: bool) -> str:
    """One of `WORKER_STATES`: of use for new requests, or not yet, or not any more."""
    if phase >= Phase.QUITTING:
        return "draining"
    if phase < Phase.RUNNING:
        return "booting"
    return "busy" if is_busy else "idle"


def lifecycle_state(phase: Phase, status: str) -> str:
    """``running``, ``quitting``, ``aborting``, or ``stopped`` whatever the phase, if psutil's ``status`` says so."""
    if status in _NOT_RUNNING:
        return "stopped"
    return {Phase.QUITTING: "quitting", Phase.ABORTING: "aborting"}.get(phase, "running")
