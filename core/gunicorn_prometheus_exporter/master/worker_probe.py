"""What a master sees of one living worker: its journal and its process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psutil

from ..catalogue import CATALOGUE, Family
from ..storage.journal import Journal
from ..storage.segments import Segments, Store
from .live_gauges import LiveGauges
from .worker_state import lifecycle_state, saturation_state

_MEMORY: Final = CATALOGUE["gunicorn_worker_memory_bytes"]
_PSS: Final = CATALOGUE["gunicorn_worker_memory_pss_bytes"]
_CPU_PERCENT: Final = CATALOGUE["gunicorn_worker_cpu_percent"]
_UPTIME: Final = CATALOGUE["gunicorn_worker_uptime_seconds"]
_STATE: Final = CATALOGUE["gunicorn_worker_state"]

_OF_PROCESSES: Final = (_MEMORY, _CPU_PERCENT, _UPTIME, _STATE, CATALOGUE["gunicorn_worker_cpu_seconds"])


class CpuSeconds(NamedTuple):
    """What a process has used in its life."""

    user: float
    system: float


class WorkerProbe:
    """Looks at ``worker``, Gunicorn's own object. Not thread-safe.

    ``state`` is one of `WORKER_STATES`, ``busy`` how many seconds it was busy, ``cpu`` what it used, as last looked at;
    ``counted_busy`` and ``counted_cpu`` are for the caller's accounts. Its gauges, of those families that it
    ``records``, are in segments of the owner ``s<slot>``, which vanish with it. Raises OSError if it cannot have a
    journal.
    """

    def __init__(self, worker: Any, store: Store, records: Callable[[Family], bool]) -> None:
        self._records = records
        self.worker = worker
        self.owner: str = worker.prometheus_owner
        self.state = "booting"
        self.busy = 0.0
        self.cpu = CpuSeconds(0.0, 0.0)
        self.counted_busy = 0.0
        self.counted_cpu = CpuSeconds(0.0, 0.0)
        self._segments = Segments(store, f"s{self.owner}")
        self._journal: Journal = store.open_journal(self.owner, 1)
        self._process: psutil.Process | None = None
        self._gauges: LiveGauges | None = None
        self._looked = 0.0
        self._lifecycle = ("", 0.0)

    def look(self) -> bool:
        """Update ``state`` and ``busy`` from the journal; False as long as, or once, that is not this worker's.

        A worker that has its journal has also discarded what was left of the slot's last one. So only then may
        anything be written about it.
        """
        if self._journal.pid() != self.worker.pid:
            return False
        phase, _ = self._journal.phase()
        self.busy, is_busy = self._journal.busy_seconds()
        self.state = saturation_state(phase, is_busy=is_busy)
        return True

    @property
    def wants_process(self) -> bool:
        """Whether anything is recorded of what `look_at_process` sees."""
        return any(map(self._records, _OF_PROCESSES)) or self._records(_PSS)

    @property
    def has_seen_process(self) -> bool:
        return self._process is not None

    def look_at_process(self) -> None:
        """Update ``cpu`` and set the worker's gauges. Raises psutil.Error if the process cannot be seen."""
        if self._process is None:
            # Its pid cannot be another's: the arbiter has not reaped it.
            self._process = psutil.Process(self.worker.pid)
        process, now = self._process, time.time()
        with process.oneshot():
            times, memory, status = process.cpu_times(), process.memory_info().rss, process.status()
        cpu = CpuSeconds(times.user, times.system)
        # Not psutil's time of creation, which is a second off: the system tells when it was booted in whole seconds.
        born = self.worker.prometheus_born
        gauges = self._opened()
        gauges.set(_MEMORY, memory, now, self.owner)
        gauges.set(_UPTIME, max(now - born, 0.0), now, self.owner)
        gauges.set(_CPU_PERCENT, cpu_percent(sum(cpu) - sum(self.cpu), now - (self._looked or born)), now, self.owner)
        self._set_state(gauges, status, now)
        self.cpu, self._looked = cpu, now

    def look_at_pss(self) -> None:
        """Set the worker's share of memory, where the system tells it: it takes the kernel time to add up."""
        if self._process is None or self._gauges is None or not self._records(_PSS):
            return
        pss = getattr(self._process.memory_full_info(), "pss", None)
        if pss is not None:
            self._gauges.set(_PSS, pss, time.time(), self.owner)

    def _opened(self) -> LiveGauges:
        if self._gauges is None:
            self._gauges = LiveGauges(self._segments.get("gauge", "livemostrecent"), self._records)
        return self._gauges

    def _set_state(self, gauges: LiveGauges, status: str, now: float) -> None:
        phase, since = self._journal.phase()
        state = lifecycle_state(phase, status)
        if state == "stopped":
            since = self._lifecycle[1] if self._lifecycle[0] == state else now
        self._lifecycle = (state, since)
        labels = (self.owner, state, str(int(since)))
        gauges.keep_only(_STATE, [labels])
        gauges.set(_STATE, 1.0, now, *labels)


def cpu_percent(used: float, elapsed: float) -> float:
    """The share of one processor that ``used`` seconds of it are in ``elapsed`` seconds, times a hundred."""
    return max(used, 0.0) / elapsed * 100.0 if elapsed > 0.0 else 0.0
