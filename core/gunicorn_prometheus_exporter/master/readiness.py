"""Whether the application that a master runs can take requests: what ``/-/ready`` answers."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from ..storage.journal import Phase
from ..storage.segments import Store

# Anybody may ask, as often as they like.
_MAX_AGE: Final = 0.2


class Readiness:
    """Counts the booted workers of an arbiter. `is_ready` is for the metrics server's thread only.

    Across USR2 two masters answer on one port, for an application that one of them can serve. So a master that is
    replacing a living one is ready, and one that stops while another replaces it stays so.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._arbiter: Any = None
        self._draining = False
        self._looked = -_MAX_AGE
        self._booted = 0

    def watch(self, arbiter: Any) -> None:
        """Look at ``arbiter`` from now on. Harmless to call again."""
        self._arbiter = arbiter

    def drain(self) -> None:
        """The master stops: it takes no new requests for long."""
        self._draining = True

    def abandon(self) -> None:
        """In a forked worker: let go of the arbiter."""
        self._arbiter = None

    def is_ready(self, wanted: int) -> bool:
        """Whether ``wanted`` workers, or all of them if the master keeps fewer, have loaded the application."""
        arbiter = self._arbiter
        if arbiter is None:
            return False
        if self._draining:
            return bool(arbiter.reexec_pid)
        # In a container the parent of a master that has no predecessor is 0, too.
        if arbiter.master_pid and arbiter.master_pid == os.getppid():
            return True
        needed: int = max(1, min(wanted, arbiter.num_workers))
        return self._count() >= needed

    def _count(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _MAX_AGE:
            self._looked = now
            self._booted = sum(self._is_booted(worker) for worker in self._arbiter.WORKERS.copy().values())
        return self._booted

    def _is_booted(self, worker: Any) -> bool:
        owner = getattr(worker, "prometheus_owner", None)
        if owner is None:
            return False
        journal = self._store.open_journal(owner, 1)
        return journal.pid() == worker.pid and journal.phase()[0] == Phase.RUNNING
