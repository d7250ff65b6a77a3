"""What this process has set up. There is one of it, because prometheus_client and fork handlers are per process too."""

from __future__ import annotations

import os
from collections.abc import Callable

from .appmetrics.states import AppStates
from .appmetrics.values import AppValues
from .failures import Failures
from .recorder.recovery import recover_slot
from .settings import Settings, SettingsError, read_settings
from .storage.journal import Journal
from .storage.segments import Segments, Store


class Process:
    """The exporter's side of one process: its failures, the application's metrics and where they are stored."""

    def __init__(self) -> None:
        self.failures = Failures()
        self.values = AppValues(self.failures.count)
        self.states = AppStates(self.failures.report)
        self.settings: Settings | None = None
        """The settings that its master has in force, None where there is no master."""
        self.when_worker_is_born: list[Callable[[], None]] = []
        """What a new worker does first, to let go of what only its master needs."""
        self._store: Store | None = None
        self._segments: Segments | None = None
        self._journal: Journal | None = None
        self._installed = False

    @property
    def store(self) -> Store | None:
        """Where the segments of this process and its siblings are, None if it has none."""
        return self._store

    def segments(self) -> Segments | None:
        """What this process writes to, if it has that or, forked by the application, can have it now."""
        self.values.bind_late()
        return self._segments

    def install(self) -> None:
        """Take over the application's metrics. Safe to call again."""
        self.values.install(files_count=not _is_redis_wanted())
        self.states.install()
        if not self._installed:
            self._installed = True
            os.register_at_fork(after_in_child=self._after_fork)

    def bind(self, store: Store, segments: Segments, journal: Journal | None = None) -> None:
        """From now on, this process's values live in ``segments`` of ``store``; a worker has a ``journal`` too."""
        self._store, self._segments, self._journal = store, segments, journal
        self.values.bind(segments)
        self.states.bind(segments)
        self.failures.flush()

    def release(self) -> None:
        """Let go of the store, for as long as there is no other: values are private again, and start from zero."""
        self._store = self._segments = self._journal = None
        self.values.after_fork(None)
        self.states.after_fork()

    def _after_fork(self) -> None:
        """In a forked child: nothing of the parent's is ours, be it a worker or something the application forks."""
        if self._segments is not None:
            self._segments.disown()
        if self._journal is not None:
            # It has inherited Gunicorn's signal handlers, which write down that the worker is about to end.
            self._journal.disown()
        self._segments = self._journal = None
        self.failures.after_fork()
        self.states.after_fork()
        is_worker = self._store is not None and self._store.slots.after_fork() is not None
        if is_worker:
            for let_go in self.when_worker_is_born:
                let_go()
            self.when_worker_is_born.clear()
        self.values.after_fork(None if is_worker or self._store is None else self._slot_of_its_own)

    def _slot_of_its_own(self) -> Segments | None:
        """Segments for a process that the application forked, so that it does not write into its parent's."""
        store = self._store
        if store is None:
            return None
        try:
            slot = store.slots.take()
            slot.newborn = False
            store.discard_live(slot.owner)
            segments = Segments(store, slot.owner)
            # A worker that has just died may have had it, and its master finds it taken.
            recover_slot(store, segments, self.settings or read_settings(os.environ))
        except Exception as error:
            self.failures.report("storage", error)
            return None
        self._segments = segments
        self.states.bind(segments)
        return segments


def _is_redis_wanted() -> bool:
    try:
        return read_settings(os.environ).redis_enabled
    except SettingsError:
        # Whoever needs them says so.
        return False


_current: Process | None = None


def current() -> Process:
    """This process's own `Process`."""
    global _current
    if _current is None:
        _current = Process()
    return _current
