"""A worker's seat: the slot it has, and what it needs of its master to record in it."""

from __future__ import annotations

from typing import NamedTuple

from ..settings import Settings
from ..storage.journal import Journal
from ..storage.segments import Segments, Store
from ..storage.slots import Slot


class WorkerStorage(NamedTuple):
    """What a worker writes."""

    segments: Segments
    journal: Journal


class Seat:
    """Made in the master for a worker about to be forked; each of the two processes then does its part with it."""

    def __init__(self, store: Store, settings: Settings, slot: Slot) -> None:
        self.store = store
        self.settings = settings
        self.owner = slot.owner
        self._slot = slot

    def leave_to_worker(self) -> None:
        """In the master, after the fork: the worker alone holds the slot from now on."""
        self.store.slots.let_go(self._slot)

    def take(self, concurrency: int) -> WorkerStorage:
        """In the worker: its segments, and a journal with room for ``concurrency`` requests at a time.

        What meant that the slot's last worker was alive is gone. Raises OSError.
        """
        self._slot.newborn = False
        self.store.discard_live(self.owner)
        return WorkerStorage(Segments(self.store, self.owner), self.store.open_journal(self.owner, concurrency))
