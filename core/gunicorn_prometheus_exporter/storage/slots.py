"""Slots: who a worker or a master is, as the lowest number that nobody living has."""

from __future__ import annotations

import os
from typing import Protocol

MAX_SLOTS = 4096


class NoSlotError(Exception):
    """Every slot number is taken, which no sane number of workers can do."""


class Slot:
    """A number that belongs to this process for as long as ``fd``, its lock, is open here or in a child."""

    def __init__(self, owner: str, fd: int) -> None:
        self.owner = owner
        self.newborn = True
        """Taken for a worker that is about to be forked: the child that finds it so is that worker."""
        self._fd = fd

    def let_go(self) -> None:
        """Close this process's hold. The slot stays taken while another process has inherited it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OwnerLocks(Protocol):
    """Where the locks of slots are: each is held by whoever has its descriptor, by inheritance too."""

    def try_lock(self, owner: str) -> int | None:
        """Take the lock of ``owner``; return its descriptor, or None if somebody holds it. Raises OSError."""


class Slots:
    """The slots that this process holds, out of those that share ``locks``."""

    def __init__(self, locks: OwnerLocks) -> None:
        self._locks = locks
        self._held: list[Slot] = []

    def take(self, prefix: str = "") -> Slot:
        """The lowest free slot: 1, 2, 3 … for workers, with a prefix for others. Raises OSError, NoSlotError."""
        for number in range(1, MAX_SLOTS + 1):
            slot = self.take_owner(f"{prefix}{number}")
            if slot is not None:
                return slot
        raise NoSlotError(f"all {MAX_SLOTS} slots are taken")

    def take_owner(self, owner: str) -> Slot | None:
        """The slot of ``owner``, or None if it is taken. Raises OSError."""
        fd = self._locks.try_lock(owner)
        if fd is None:
            return None
        slot = Slot(owner, fd)
        self._held.append(slot)
        return slot

    def let_go(self, slot: Slot) -> None:
        """Give ``slot`` up in this process."""
        slot.let_go()
        if slot in self._held:
            self._held.remove(slot)

    def after_fork(self) -> Slot | None:
        """In a forked child: keep the slot of the worker being born, if there is one, and no other."""
        newborn = None
        for slot in tuple(self._held):
            if slot.newborn and not slot.owner.startswith("m"):
                newborn = slot
            else:
                self.let_go(slot)
        return newborn
