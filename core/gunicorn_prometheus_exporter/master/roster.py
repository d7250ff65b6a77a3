"""The roster: every worker of an arbiter, from its fork to its end, and how it ended."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

_ENTRY: Final = "_prometheus_roster_entry"


class Entry:
    """One worker. ``exitcode`` is as subprocess has it, None as long as nobody knows.

    ``told`` is why the master told it to end, ``killed`` that it sent a SIGKILL.
    """

    __slots__ = ("exitcode", "killed", "pid", "told", "worker")

    def __init__(self, pid: int, worker: Any) -> None:
        self.pid = pid
        self.worker = worker
        self.exitcode: int | None = None
        self.told: str | None = None
        self.killed = False


class Roster:
    """Watches ``workers``, Gunicorn's own workers by pid. Each worker appears once in ``born`` and once in ``gone``.

    Until Gunicorn 24 workers vanish inside a signal handler, in the middle of anything, these lines too. So nothing
    here takes a lock, and what decides is always one operation of a dictionary, which nothing can interrupt.
    """

    def __init__(self, workers: Mapping[int, Any]) -> None:
        self._workers = workers
        self._living: dict[int, Entry] = {}
        self.born: deque[Entry] = deque()
        self.gone: deque[Entry] = deque()

    def update(self) -> None:
        """Take in who is new, and find out how those ended who are dead but not yet reaped."""
        for pid, worker in tuple(self._workers.items()):
            entry = Entry(pid, worker)
            if vars(worker).setdefault(_ENTRY, entry) is entry:
                self.born.append(entry)
                self._living[worker.age] = entry
        for entry in tuple(self._living.values()):
            if entry.exitcode is None:
                entry.exitcode = peek_exitcode(entry.pid)

    def strike(self) -> None:
        """Move to ``gone`` who is no longer among Gunicorn's workers."""
        for age, entry in tuple(self._living.items()):
            if self._workers.get(entry.pid) is not entry.worker and self._living.pop(age, None) is not None:
                self.gone.append(entry)

    def strike_all(self) -> None:
        """Move everybody to ``gone``: Gunicorn waits for nobody any more."""
        for age in tuple(self._living):
            entry = self._living.pop(age, None)
            if entry is not None:
                self.gone.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._living.values()))


def entry_of(worker: Any) -> Entry | None:
    """The entry of ``worker``, None if no roster has it."""
    entry: Entry | None = vars(worker).get(_ENTRY)
    return entry


def peek_exitcode(pid: int) -> int | None:
    """How the child process ``pid`` ended, which stays to be reaped. None if it has not ended, or is nobody's child."""
    if not hasattr(os, "waitid"):
        return None
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if result is None:
        return None
    status: int = result.si_status
    return status if result.si_code == os.CLD_EXITED else -status
