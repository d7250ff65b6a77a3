"""The sampler: what a master can only see by looking, workers and listeners, as of now.

It looks before each scrape, so that a scrape is current, and by a timer, for sidecars. Its numbers are in segments of
the master's own, and in those of `WorkerProbe`; a worker's time and a master's counter both only ever add up.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from typing import Any, Final

import psutil

from ..catalogue import CATALOGUE, Family
from ..failures import Failures
from ..recorder.series import counter_key
from ..server.fork_gate import ForkGate
from ..settings import Settings
from ..storage.segment import Segment
from ..storage.segments import Segments, Store
from .listeners import backlogs
from .live_gauges import LiveGauges
from .worker_probe import WorkerProbe
from .worker_state import WORKER_STATES

COMPONENT: Final = "sampler"
THREAD_NAME: Final = "gunicorn-prometheus-sampler"

_PROCESS_AGE_AT_SCRAPE: Final = 0.5
# In intervals of the timer: it looks at the processes every fifth time.
_PROCESS_AGE_ON_TIMER: Final = 4.5
# Adding up a process's share of memory may take the kernel milliseconds, so it may use this part of a processor.
_PSS_SHARE: Final = 0.005

_BUSY: Final = CATALOGUE["gunicorn_worker_busy_seconds"]
_CPU: Final = CATALOGUE["gunicorn_worker_cpu_seconds"]
_WORKERS: Final = CATALOGUE["gunicorn_workers"]
_CONFIGURED: Final = CATALOGUE["gunicorn_workers_configured"]
_BACKLOG: Final = CATALOGUE["gunicorn_listener_backlog"]
_BACKLOG_LIMIT: Final = CATALOGUE["gunicorn_listener_backlog_limit"]


class Sampler:
    """Looks at the workers and listeners of an arbiter, and writes what it sees into ``segments``, a master's.

    `sample` is for any thread but the arbiter's own, `worker_gone` is for that one, and makes it wait for nobody.
    """

    def __init__(
        self, store: Store, segments: Segments, failures: Failures, gate: ForkGate, settings: Settings
    ) -> None:
        self._store = store
        self._settings = settings
        self._failures = failures
        self._gate = gate
        self._counters: Segment = segments.get("counter")
        self._sums = LiveGauges(segments.get("gauge", "livesum"), self._records)
        # Two masters (USR2) share their listeners, so there the newest value counts.
        self._newest = LiveGauges(segments.get("gauge", "livemostrecent"), self._records)
        self._arbiter: Any = None
        self._probes: dict[Any, WorkerProbe] = {}
        self._gone: deque[tuple[Any, float | None]] = deque()
        self._indices: dict[tuple[str, ...], int] = {}
        self._processes_at = 0.0
        self._pss_at = 0.0
        self._pss_turn = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, arbiter: Any) -> None:
        """Look at ``arbiter`` from now on. Harmless to call again."""
        self._arbiter = arbiter
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            # The thread inherits the mask: signals are the arbiter's, whose system calls they must interrupt.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def follow(self, settings: Settings) -> None:
        """Look as often, and at as much, as the new ``settings`` say."""
        self._settings = settings
        self._woken.set()

    def sample(self, process_age: float = _PROCESS_AGE_AT_SCRAPE) -> None:
        """Look now; at the processes only if the last look at them is ``process_age`` seconds ago. Raises nothing."""
        with self._lock:
            self._sample(process_age)

    def worker_gone(self, worker: Any) -> None:
        """``worker``, which had a slot, is dead. How busy it was until now is counted with the next sample."""
        journal = self._store.open_journal(worker.prometheus_owner, 1)
        # The slot may have its next worker already.
        self._gone.append((worker, journal.busy_seconds()[0] if journal.pid() == worker.pid else None))

    def close(self) -> None:
        """Look once more and stop. For the arbiter's thread, when it exits."""
        self._is_closed = True
        self._woken.set()
        if self._lock.acquire(timeout=1.0):
            self._sample(0.0)
            self._arbiter = None
            self._lock.release()

    def abandon(self) -> None:
        """In a forked worker: let go of what only a master needs."""
        self._arbiter = None
        self._thread = None
        self._probes = {}
        self._lock = threading.Lock()

    def _run(self) -> None:
        while True:
            interval = self._settings.sampler_interval
            if self._woken.wait(interval):
                self._woken.clear()
            if self._is_closed:
                return
            with self._gate.working():
                self.sample(_PROCESS_AGE_ON_TIMER * interval)
                self._look_at_next_pss()

    def _sample(self, process_age: float) -> None:
        if self._arbiter is None:
            return
        now = time.monotonic()
        at_processes = now - self._processes_at >= process_age
        if at_processes:
            self._processes_at = now
        for part in (self._count_gone, lambda: self._sample_workers(at_processes), self._sample_listeners):
            try:
                part()
            except Exception as error:
                self._failures.count(COMPONENT, error)

    def _count_gone(self) -> None:
        while self._gone:
            worker, busy = self._gone.popleft()
            probe = self._probes.pop(worker, None)
            if busy is not None:
                self._add(busy - (probe.counted_busy if probe is not None else 0.0), _BUSY, worker.prometheus_owner)

    def _sample_workers(self, at_processes: bool) -> None:
        states = dict.fromkeys(WORKER_STATES, 0)
        for worker in self._arbiter.WORKERS.copy().values():
            if getattr(worker, "prometheus_owner", None) is None:
                continue
            try:
                states[self._sample_worker(worker, at_processes)] += 1
            except psutil.NoSuchProcess:
                continue
            except Exception as error:
                self._failures.count(COMPONENT, error)
        now = time.time()
        for state, number in states.items():
            self._sums.set(_WORKERS, number, now, state)
        self._sums.set(_CONFIGURED, self._arbiter.num_workers, now)

    def _sample_worker(self, worker: Any, at_processes: bool) -> str:
        probe = self._probes.get(worker)
        if probe is None:
            probe = self._probes[worker] = WorkerProbe(worker, self._store, self._records)
        if probe.look():
            self._add(probe.busy - probe.counted_busy, _BUSY, probe.owner)
            probe.counted_busy = max(probe.busy, probe.counted_busy)
            if (at_processes or not probe.has_seen_process) and probe.wants_process:
                probe.look_at_process()
                for mode, seconds, counted in zip(probe.cpu._fields, probe.cpu, probe.counted_cpu, strict=True):
                    self._add(seconds - counted, _CPU, probe.owner, mode)
                probe.counted_cpu = probe.cpu
        return probe.state

    def _sample_listeners(self) -> None:
        if not self._records(_BACKLOG) and not self._records(_BACKLOG_LIMIT):
            return
        now = time.time()
        found = backlogs(self._arbiter)
        for listener, backlog in found.items():
            self._newest.set(_BACKLOG, backlog.waiting, now, listener)
            self._newest.set(_BACKLOG_LIMIT, backlog.limit, now, listener)
        for family in (_BACKLOG, _BACKLOG_LIMIT):
            self._newest.keep_only(family, [(listener,) for listener in found])

    def _look_at_next_pss(self) -> None:
        """Outside the lock, which a scrape may want: each time the next worker, and the longer it takes the rarer."""
        started = time.monotonic()
        probes = list(self._probes.copy().values())
        if not probes or started < self._pss_at:
            return
        self._pss_turn += 1
        try:
            probes[self._pss_turn % len(probes)].look_at_pss()
        except psutil.Error:
            # Gone, or not for us to see.
            pass
        except Exception as error:
            self._failures.count(COMPONENT, error)
        self._pss_at = started + (time.monotonic() - started) / _PSS_SHARE

    def _records(self, family: Family) -> bool:
        return self._settings.records(family)

    def _add(self, amount: float, family: Family, *labels: str) -> None:
        """Add ``amount`` to a counter, which is there from now on even if it is nothing."""
        if not self._records(family):
            return
        series = (family.name, *labels)
        index = self._indices.get(series)
        if index is None:
            index = self._counters.index(counter_key(family, dict(zip(family.labels, labels, strict=True))))
            self._indices[series] = index
        if amount > 0.0:
            self._counters.cells[index] += amount
