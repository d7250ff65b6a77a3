"""The exporter in Gunicorn's master: it owns the storage, knows the workers and serves the metrics."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from .. import process
from ..catalogue import CATALOGUE, EXCLUDED, UNROUTED
from ..failures import Failures
from ..gunicorn_versions import reexec_arguments
from ..recorder.exclusion import Exclusion
from ..recorder.recovery import recover_slot
from ..recorder.series import CappedCounter
from ..server.fork_gate import ForkGate
from ..settings import Settings, SettingsError, read_settings
from ..settings.variables import remarks
from ..storage.segments import Segments
from . import handover
from .gunicorn_settings import fill_in, hand_over
from .hooks import put_around
from .last_word import give_cell, speak_for
from .lifecycle import Lifecycle
from .metrics_port import MetricsPort
from .nameplate import Nameplate
from .readiness import Readiness
from .sampler import Sampler
from .seat import Seat
from .sharing import sharing_of
from .storage import open_store, unusable, what_to_leave


class Master:
    """One Gunicorn master's exporter. `of_this_process` makes it when it is first needed.

    Raises SettingsError for settings that cannot be used, a directory that cannot be written among them.
    """

    _of_this_process: ClassVar[Master | None] = None

    @classmethod
    def existing(cls) -> Master | None:
        """The master of this process, or of the one that forked it, if there is one."""
        return cls._of_this_process

    @classmethod
    def of_this_process(cls, cfg: Any, log: Any) -> Master:
        """The master of this process, with its hooks in ``cfg``: a reload makes a new configuration each time."""
        master = cls._of_this_process
        if master is None:
            master = cls._of_this_process = cls(cfg, log)
        else:
            master.reconfigure(cfg)
        return master

    def __init__(self, cfg: Any, log: Any) -> None:
        here = process.current()
        here.install()
        self.settings: Settings = read_settings(os.environ)
        here.settings = self.settings
        for remark in remarks(os.environ, self.settings):
            log.warning("gunicorn-prometheus-exporter: %s", remark)
        fill_in(cfg, self.settings)
        self.failures: Failures = here.failures
        self._cfg = cfg
        self._log = log
        self._arbiter: Any = None
        self._pid = os.getpid()
        self._closed = False
        left = handover.find(os.environ)
        gate = ForkGate()
        try:
            self.store = open_store(self.settings, cfg, left, self.failures.report)
            self._slot = self.store.slots.take("m")
            self._segments = Segments(self.store, self._slot.owner)
            self._nameplate = Nameplate(self._segments, "redis" if self.settings.redis_enabled else "file")
            self._nameplate.show(cfg)
            counters = self._segments.get("counter")
            self._sampler = Sampler(self.store, self._segments, here.failures, gate, self.settings)
        except OSError as error:
            raise unusable(self.settings, error) from error
        errors = CappedCounter(counters, CATALOGUE["gunicorn_exporter_errors"], 1000, [])
        here.bind(self.store, self._segments)
        here.failures.send_to(errors.increment)
        self._readiness = Readiness(self.store)
        self._sharing = sharing_of(self.store, self.settings, here.failures, self._slot.owner, counters)
        self._port = MetricsPort(
            self._sharing.source,
            self.settings,
            here.failures,
            gate,
            left.listener,
            before_scrape=self._look,
            is_ready=lambda: self._readiness.is_ready(self.settings.ready_workers),
            extra=[self._sharing.metrics],
        )
        here.when_worker_is_born.append(self._let_go)
        self._lifecycle = Lifecycle(
            counters,
            here.failures,
            max_endpoints=self.settings.max_series,
            serving=self._serving,
            bury=self._bury,
            reconfigured=self.reconfigure,
            stopping=self._readiness.drain,
        )
        self._install_hooks()
        # Gunicorn does not come by on_exit when its main loop fails.
        atexit.register(self.close)

    def watch(self, arbiter: Any) -> None:
        """Count what happens to ``arbiter`` and its workers from now on. Safe to call again."""
        if self._arbiter is None:
            self._arbiter = arbiter
            hand_over(arbiter)
        self._lifecycle.watch(arbiter)
        self._sampler.watch(arbiter)
        self._readiness.watch(arbiter)
        self._sharing.start()

    def seat_worker(self) -> Seat:
        """A seat for the worker that is about to be forked. Raises OSError, NoSlotError."""
        return Seat(self.store, self.settings, self.store.slots.take())

    def serve(self) -> None:
        """Open the metrics endpoint, unless it is open or a sidecar has that part."""
        self._port.open(self._log)

    def leave_serving_to_sidecar(self) -> None:
        """Close the metrics endpoint, or do not open it."""
        self._port.leave_to_sidecar()

    def reconfigure(self, cfg: Any) -> None:
        """Gunicorn has read its configuration again. Settings that cannot be used leave those in force as they are."""
        if cfg is self._cfg:
            return
        self._cfg = cfg
        old = self.settings
        try:
            self.settings = process.current().settings = read_settings(os.environ, again=True)
        except SettingsError as error:
            self._log.error("%s\nThe settings in force stay in force.", error)
        fill_in(cfg, self.settings)
        if self._arbiter is not None:
            hand_over(self._arbiter)
        self._install_hooks()
        self._nameplate.show(cfg)
        if self.settings is old:
            return
        self._sampler.follow(self.settings)
        self._port.follow(self.settings, self._log)
        self._sharing.follow(self.settings, old, self._log)

    def close(self) -> None:
        """Stop serving, and leave the storage: a private one goes with its last master. Safe to call again."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        self._lifecycle.settle()
        self._sampler.close()
        self._port.close()
        self._sharing.close()
        self.failures.flush()
        self.store.slots.let_go(self._slot)
        self.store.close()

    def _look(self) -> None:
        """Before a scrape: bring up to date what it is to show."""
        self._sampler.sample()
        self._sharing.look()

    def _install_hooks(self) -> None:
        guarded = self._guarded
        put_around(self._cfg, "when_ready", guarded(self.watch), guarded(lambda arbiter: self.serve()))
        put_around(self._cfg, "pre_fork", guarded(self._pre_fork))
        put_around(self._cfg, "post_fork", guarded(self._post_fork))
        put_around(self._cfg, "child_exit", self._child_exit)
        put_around(self._cfg, "pre_exec", guarded(self._pre_exec))
        if "on_dirty_starting" in self._cfg.settings:
            put_around(self._cfg, "on_dirty_starting", guarded(lambda arbiter: self._let_go()))
        put_around(self._cfg, "on_exit", guarded(lambda arbiter: self.close()))

    def _guarded(self, ours: Callable[..., None]) -> Callable[..., None]:
        """``ours``, but what it raises is not Gunicorn's problem."""

        def hook(*arguments: Any) -> None:
            try:
                ours(*arguments)
            except Exception as error:
                self.failures.report("lifecycle", error)

        return hook

    def _pre_fork(self, arbiter: Any, worker: Any) -> None:
        # The worker class may have come with a reload, long after when_ready.
        self.watch(arbiter)
        self.serve()
        self._lifecycle.settle()
        give_cell(worker)
        self.failures.flush()

    def _post_fork(self, arbiter: Any, worker: Any) -> None:
        # A worker of another class than ours has not done so yet.
        self._let_go()
        speak_for(worker)

    def _let_go(self) -> None:
        """In a child that Gunicorn forked: what is left is the master's."""
        self._port.abandon()
        self._sampler.abandon()
        self._readiness.abandon()
        self._sharing.abandon()

    def _child_exit(self, arbiter: Any, worker: Any) -> None:
        self._lifecycle.reaped(worker, sys._getframe(1))

    def _serving(self, worker: Any) -> str:
        """The endpoint of the request that ``worker``, which is still alive, has been serving the longest."""
        owner = getattr(worker, "prometheus_owner", None)
        journal = None if owner is None else self.store.open_journal(owner, 1)
        if journal is None or journal.pid() != worker.pid:
            return UNROUTED
        requests = sorted(journal.unfinished(), key=lambda request: request.start)
        endpoint = requests[0].endpoint or UNROUTED if requests else UNROUTED
        return EXCLUDED if Exclusion(self.settings.excluded_endpoints).covers_template(endpoint) else endpoint

    def _bury(self, worker: Any) -> None:
        """Count what the dead ``worker`` left unfinished, and forget what meant that it was alive.

        If its slot has a new worker already, that one has done so.
        """
        owner = getattr(worker, "prometheus_owner", None)
        if owner is None:
            return
        self._sampler.worker_gone(worker)
        slot = self.store.slots.take_owner(owner)
        if slot is None:
            return
        try:
            self.store.discard_live(slot.owner)
            segments = Segments(self.store, slot.owner)
            recover_slot(self.store, segments, self.settings)
            segments.close()
        finally:
            self.store.discard_live(slot.owner)
            self.store.slots.let_go(slot)

    def _pre_exec(self, arbiter: Any) -> None:
        left = what_to_leave(self.store, self._port.fileno())
        handover.leave(arbiter.cfg.env_orig, left)
        arbiter.START_CTX["args"] = reexec_arguments(arbiter.START_CTX["args"])
