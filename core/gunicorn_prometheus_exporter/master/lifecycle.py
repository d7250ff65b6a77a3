"""The lifecycle of a master's workers and of the master itself, as its arbiter lives it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from signal import SIGABRT, SIGINT, SIGKILL, SIGQUIT, SIGTERM
from types import FrameType
from typing import Any, Final

from ..catalogue import CATALOGUE, SLOT_EXITS, Family
from ..failures import Failures
from ..gunicorn_versions import REAPS_IN_SIGNAL_HANDLER, reaped_exitcode
from ..recorder.series import CappedCounter, counter_key
from ..storage.segment import Segment
from .exit_reason import REASONS, Ending, exit_reason
from .green_threads import let_run
from .last_word import last_word_of
from .roster import Entry, Roster, entry_of
from .signals import SIGNALS, SignalCounts
from .wrapping import wrap

_LAST_WAIT_SECONDS: Final = 1.0
_UNCAPPED: Final = 1 << 20


class Lifecycle:
    """Counts what happens to an arbiter and to its workers.

    ``serving`` tells the endpoint that a worker is serving; ``bury`` is called with each worker that has ended, after
    it was counted; ``reconfigured`` with the configuration that a reload has read; ``stopping`` when the workers are
    about to be told to end for good.

    Everything is counted in the main loop, by `settle`. Until Gunicorn 24 workers are reaped in the SIGCHLD handler,
    which may interrupt the master while it holds a lock: there, deaths are only noted.
    """

    def __init__(
        self,
        counters: Segment,
        failures: Failures,
        *,
        max_endpoints: int,
        serving: Callable[[Any], str],
        bury: Callable[[Any], None],
        reconfigured: Callable[[Any], None],
        stopping: Callable[[], None],
    ) -> None:
        def counter(family: Family, cap: int = _UNCAPPED, *overflow: str) -> CappedCounter:
            return CappedCounter(counters, family, cap, overflow)

        self._failures = failures
        self._serving, self._bury, self._reconfigured = serving, bury, reconfigured
        self._say_stopping = stopping
        self._exits = counter(CATALOGUE["gunicorn_worker_exits"])
        self._slot_exits = counter(SLOT_EXITS)
        self._spawned = counter(CATALOGUE["gunicorn_workers_spawned"])
        self._timeouts = counter(CATALOGUE["gunicorn_worker_timeouts"], max_endpoints, "endpoint")
        self._signals_total = counter(CATALOGUE["gunicorn_master_signals"])
        self._reloads = counter(CATALOGUE["gunicorn_master_reloads"])
        # A counter that comes into being with its first event hides that event from rate() and increase().
        counters.index(counter_key(CATALOGUE["gunicorn_master_reloads"], {}))
        for reason in REASONS:
            counters.index(counter_key(CATALOGUE["gunicorn_worker_exits"], {"reason": reason}))
        for signal in SIGNALS:
            counters.index(counter_key(CATALOGUE["gunicorn_master_signals"], {"signal": signal}))
        self._signals = SignalCounts(self._count_signal)
        self._roster = Roster({})
        self._arbiter: Any = None
        self._unreported: deque[Exception] = deque()
        self._stopping = False
        self._reloaded_age = 0

    def watch(self, arbiter: Any) -> None:
        """Watch ``arbiter`` from now on. The workers it has already belong to a configuration that is gone."""
        if self._arbiter is not None:
            return
        self._arbiter = arbiter
        self._roster = Roster(arbiter.WORKERS)
        self._roster.update()
        self._roster.born.clear()
        self._reloaded_age = max((entry.worker.age for entry in self._roster), default=0)
        for name, around in (
            ("reap_workers", self._around_reap_workers),
            ("spawn_worker", self._around_fork),
            ("manage_workers", self._around_fork),
            ("kill_worker", self._around_kill_worker),
            ("setup", self._around_setup),
            ("reload", self._around_reload),
            ("stop", self._around_stop),
        ):
            wrap(arbiter, name, around)
        self._signals.watch(arbiter)
        let_run(arbiter)

    def reaped(self, worker: Any, frame: FrameType) -> None:
        """Gunicorn has reaped ``worker``, and ``frame`` is where it says so: it may have died after the last look."""

        def learn() -> None:
            entry = entry_of(worker)
            if entry is not None and entry.exitcode is None:
                entry.exitcode = reaped_exitcode(frame, entry.pid)

        self._noting(learn)

    def settle(self) -> None:
        """Count everything that was noted. Only for the main loop."""
        roster = self._roster
        roster.update()
        # Gunicorn forgets a worker that somebody else has reaped when it cannot send it a signal, without a word.
        roster.strike()
        self._signals.settle()
        while roster.born:
            roster.born.popleft()
            self._guarded(self._spawned.increment)
        while roster.gone:
            self._guarded(self._count_exit, roster.gone.popleft())
        while self._unreported:
            self._failures.report("lifecycle", self._unreported.popleft())
        # The threads of the exporter leave it to the main loop to log what failed in them.
        self._failures.flush()

    # A worker leaves its main loop through these very frames, by a SystemExit, when the arbiter forks inside of them.
    # So what forks (spawn_worker, manage_workers, reload) has nothing in a ``finally`` clause: the worker would do it.

    def _around_reap_workers(self, reap_workers: Callable[[], None]) -> None:
        self._noting(self._roster.update)
        try:
            reap_workers()
        finally:
            self._noting(self._roster.strike)
            if REAPS_IN_SIGNAL_HANDLER:
                self._signals.death()
            else:
                self.settle()

    def _around_fork(self, fork: Callable[[], Any]) -> Any:
        result = fork()
        self.settle()
        return result

    def _around_kill_worker(self, kill_worker: Callable[[int, int], None], pid: int, sig: int) -> None:
        self._guarded(self._sentence, pid, sig)
        kill_worker(pid, sig)

    def _around_setup(self, setup: Callable[[Any], None], app: Any) -> None:
        setup(app)
        self._guarded(self._reconfigured, self._arbiter.cfg)

    def _around_reload(self, reload: Callable[[], None]) -> None:
        self._reloaded_age = self._arbiter.worker_age
        self._guarded(self._reloads.increment)
        reload()

    def _around_stop(self, stop: Callable[..., None], *arguments: Any, **named: Any) -> None:
        self._stopping = True
        self._say_stopping()
        self._guarded(self._signals.begin_stop, self._arbiter)
        try:
            stop(*arguments, **named)
        finally:
            self._guarded(self._signals.end_stop, self._arbiter)
            self._guarded(self._settle_the_last)

    def _settle_the_last(self) -> None:
        """Count those that were killed when their time was up: Gunicorn does not wait until they are dead."""
        deadline = time.monotonic() + _LAST_WAIT_SECONDS
        self._roster.update()
        while any(entry.killed and entry.exitcode is None for entry in self._roster) and time.monotonic() < deadline:
            time.sleep(0.01)
            self._roster.update()
        self._roster.strike_all()
        self.settle()

    def _sentence(self, pid: int, signum: int) -> None:
        """The master is about to send ``signum`` to its worker ``pid``: remember what for."""
        self._roster.update()
        worker = self._arbiter.WORKERS.get(pid)
        entry = None if worker is None else entry_of(worker)
        if entry is None or entry.exitcode is not None:
            return
        if signum == SIGABRT:
            self._timeouts.increment(self._serving(worker))
        elif signum in (SIGTERM, SIGQUIT, SIGINT, SIGKILL):
            entry.killed = entry.killed or signum == SIGKILL
            entry.told = entry.told or self._purpose(worker)

    def _purpose(self, worker: Any) -> str:
        if self._stopping:
            return "shutdown"
        return "reload" if worker.age <= self._reloaded_age else "scale_down"

    def _count_exit(self, entry: Entry) -> None:
        worker = entry.worker
        ending = Ending(
            exitcode=entry.exitcode,
            timed_out=worker.aborted,
            told=entry.told,
            killed=entry.killed,
            last_word=last_word_of(worker),
        )
        reason = exit_reason(ending)
        self._exits.increment(reason)
        owner = getattr(worker, "prometheus_owner", None)
        if owner is not None:
            self._slot_exits.increment(owner, reason)
        self._bury(worker)

    def _count_signal(self, name: str) -> None:
        self._guarded(self._signals_total.increment, name)

    def _guarded(self, act: Callable[..., object], *arguments: Any) -> None:
        """In the main loop: whatever fails here must not fail Gunicorn."""
        try:
            act(*arguments)
        except Exception as error:
            self._failures.report("lifecycle", error)

    def _noting(self, act: Callable[[], None]) -> None:
        """The same where no lock may be taken."""
        try:
            act()
        except Exception as error:
            self._unreported.append(error)
