"""Keeps exporter threads out of the way of a fork.

A forked child has only the thread that forked. A lock that another thread held at that moment, be it ours,
logging's or the allocator's, stays locked in the child for ever. So an exporter thread works only inside
``with gate.working():``, and a fork waits until nobody is inside.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

FORK_TIMEOUT: Final = 5.0


class ForkGate:
    """Makes the forks of this process wait for its exporter threads, and new work wait for a fork.

    Any number of threads may work at once; a fork stops new work from beginning and waits for what is under way,
    so a storm of scrapes cannot starve it. The wait ends after ``fork_timeout`` seconds: a thread that hangs costs
    one such wait in all, not one for every fork, and then the child takes its chance.

    A thread may nest ``working()``, and may fork while it works: neither waits for itself.

    Make it after ``logging`` was imported. Hooks before a fork run latest first, so this one waits for a thread
    that logs before logging's own hook takes the lock which that thread needs.
    """

    def __init__(self, *, fork_timeout: float = FORK_TIMEOUT) -> None:
        self._fork_timeout = fork_timeout
        # Its lock is reentrant: a signal handler may fork or work while it interrupts the lines below.
        self._changed = threading.Condition()
        self._depth: dict[int, int] = {}
        self._stuck: set[int] = set()
        self._forking: dict[int, int] = {}
        # The hooks of a process can never be taken back, so they must not keep a gate alive.
        os.register_at_fork(
            before=_call_while_alive(weakref.WeakMethod(self._before_fork)),
            after_in_parent=_call_while_alive(weakref.WeakMethod(self._after_fork_in_parent)),
            after_in_child=_call_while_alive(weakref.WeakMethod(self._after_fork_in_child)),
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark the calling thread as at work, which may hold locks. Waits first while another thread forks."""
        me = threading.get_ident()
        with self._changed:
            # Whoever is inside already must be able to finish: the fork waits for exactly that.
            while not self._depth.get(me) and self._forked_by_others(me):
                self._changed.wait()
            self._depth[me] = self._depth.get(me, 0) + 1
        try:
            yield
        finally:
            # After a fork inside the block the child leaves through here too, with a gate made new.
            with self._changed:
                self._leave(me)

    def _leave(self, me: int) -> None:
        self._depth[me] -= 1
        if not self._depth[me]:
            del self._depth[me]
            self._stuck.discard(me)
            self._changed.notify_all()

    def _forked_by_others(self, me: int) -> bool:
        # A thread that forks may itself come by here: from another library's hook before the fork.
        return bool(self._forking) and me not in self._forking

    def _before_fork(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._forking[me] = self._forking.get(me, 0) + 1
            if not self._changed.wait_for(lambda: not self._waited_for(me), self._fork_timeout):
                self._stuck |= self._waited_for(me)

    def _waited_for(self, me: int) -> set[int]:
        return self._depth.keys() - self._stuck - {me}

    def _after_fork_in_parent(self) -> None:
        me = threading.get_ident()
        with self._changed:
            # An exception out of a signal handler may have cut the hook before the fork short.
            forks = self._forking.pop(me, 1) - 1
            if forks:
                self._forking[me] = forks
            self._changed.notify_all()

    def _after_fork_in_child(self) -> None:
        me = threading.get_ident()
        self._changed = threading.Condition()
        self._depth = {me: self._depth[me]} if me in self._depth else {}
        self._stuck = set()
        self._forking = {}


def _call_while_alive(method: weakref.WeakMethod[Callable[[], None]]) -> Callable[[], None]:
    def hook() -> None:
        bound = method()
        if bound is not None:
            bound()

    return hook
