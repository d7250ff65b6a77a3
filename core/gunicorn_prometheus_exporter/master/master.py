"""The exporter in Gunicorn's master: it owns the storage, knows the workers and serves the metrics."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from .. import process
from ..catalogue import CATALOGUE
from ..failures import Failures
from ..recorder.recorder import Recorder
from ..recorder.series import CappedCounter
from ..settings import Settings, SettingsError, read_settings
from ..storage.files import FileStore, open_named, open_private
from ..storage.segments import Segments
from . import handover
from .hooks import put_in_front
from .metrics_port import MetricsPort
from .seat import Seat


class Master:
    """One Gunicorn master's exporter. `of_this_process` makes it when it is first needed.

    Raises SettingsError for settings that cannot be used, a directory that cannot be written among them.
    """

    _of_this_process: ClassVar[Master | None] = None

    @classmethod
    def of_this_process(cls, cfg: Any, log: Any) -> Master:
        """The master of this process, with its hooks in ``cfg``: a reload makes a new configuration each time."""
        master = cls._of_this_process
        if master is None:
            master = cls._of_this_process = cls(cfg, log)
        elif master._cfg is not cfg:
            master._reconfigure(cfg)
        return master

    def __init__(self, cfg: Any, log: Any) -> None:
        here = process.current()
        here.install()
        self.settings: Settings = read_settings(os.environ)
        self.failures: Failures = here.failures
        self._cfg = cfg
        self._log = log
        left = handover.find(os.environ)
        self.store = self._open_store(cfg, left.directory)
        self._slot = self.store.slots.take("m")
        self._segments = Segments(self.store, self._slot.owner)
        errors = CappedCounter(self._segments.get("counter"), CATALOGUE["gunicorn_exporter_errors"], 1000, [])
        here.bind(self.store, self._segments)
        here.failures.send_to(errors.increment)
        self._port = MetricsPort(self.store.directory, self.settings, here.failures, left.listener)
        here.when_worker_is_born.append(self._port.abandon)
        self._install_hooks()

    def seat_worker(self) -> Seat:
        """A seat for the worker that is about to be forked. Raises OSError, NoSlotError."""
        return Seat(self.store, self.settings, self.store.slots.take())

    def serve(self, arbiter: Any) -> None:
        """Open the metrics endpoint, unless it is open or a sidecar has that part."""
        self._port.open(self._log)

    def _open_store(self, cfg: Any, inherited: str | None) -> FileStore:
        report = self.failures.report
        named, cleanup = self.settings.multiproc_dir, self.settings.cleanup_db_files
        try:
            if named is not None:
                return open_named(named, report, cleanup=cleanup, uid=cfg.uid, gid=cfg.gid)
            if inherited is not None:
                return FileStore(inherited, report, private=True, uid=cfg.uid, gid=cfg.gid)
            return open_private(report, cleanup=cleanup, uid=cfg.uid, gid=cfg.gid)
        except OSError as error:
            allowed = "a directory that the master can create and write"
            raise SettingsError(
                [f"PROMETHEUS_MULTIPROC_DIR (exporter.prometheus.multiproc_dir): {named!r} is not {allowed}: {error}"]
            ) from error

    def _install_hooks(self) -> None:
        for name, ours in (
            ("when_ready", self._when_ready),
            ("pre_fork", self._pre_fork),
            ("child_exit", self._child_exit),
            ("pre_exec", self._pre_exec),
            ("on_exit", self._on_exit),
        ):
            put_in_front(self._cfg, name, ours)

    def _reconfigure(self, cfg: Any) -> None:
        """Gunicorn has read its configuration again. Settings that cannot be used leave those in force as they are."""
        self._cfg = cfg
        try:
            self.settings = read_settings(os.environ)
        except SettingsError as error:
            self._log.error("%s\nThe settings in force stay in force.", error)
        self._install_hooks()

    def _when_ready(self, arbiter: Any) -> None:
        self.serve(arbiter)

    def _pre_fork(self, arbiter: Any, worker: Any) -> None:
        # The worker class may have come with a reload, long after when_ready.
        self.serve(arbiter)
        self.failures.flush()

    def _child_exit(self, arbiter: Any, worker: Any) -> None:
        owner = getattr(worker, "prometheus_owner", None)
        if owner is not None:
            try:
                self._bury(owner)
            except Exception as error:
                self.failures.report("lifecycle", error)

    def _bury(self, owner: str) -> None:
        """Count what the dead worker of slot ``owner`` left unfinished, and forget what meant that it was alive.

        If the slot has a new worker already, that one has done so.
        """
        slot = self.store.slots.take_owner(owner)
        if slot is None:
            return
        try:
            self.store.discard_live(owner)
            journal = self.store.open_journal(owner, 1)
            if journal.busy():
                Recorder(Segments(self.store, owner), journal, self.settings).recover_all()
        finally:
            self.store.discard_live(owner)
            self.store.slots.let_go(slot)

    def _pre_exec(self, arbiter: Any) -> None:
        directory = self.store.directory if self.store.private else None
        handover.leave(arbiter.cfg.env_orig, directory, self._port.fileno())

    def _on_exit(self, arbiter: Any) -> None:
        self._port.close()
        self.store.slots.let_go(self._slot)
        self.store.close()
