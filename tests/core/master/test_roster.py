"""The roster: every worker once in, once out, however its end is interrupted."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from gunicorn_prometheus_exporter.gunicorn_versions import reaped_exitcode
from gunicorn_prometheus_exporter.master.roster import Roster, entry_of, peek_exitcode


def worker(age: int) -> Any:
    return SimpleNamespace(age=age)


def child(ending: Callable[[], object]) -> int:
    """A process that ends so, dead but not reaped."""
    pid = os.fork()
    if pid == 0:
        ending()
        os._exit(99)
    deadline = time.monotonic() + 10
    while peek_exitcode(pid) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return pid


def test_each_worker_once() -> None:
    """Born and gone once, however often it is looked."""
    workers = {1 << 30: worker(1), (1 << 30) + 1: worker(2)}
    roster = Roster(workers)
    for _ in range(3):
        roster.update()
        roster.strike()
    assert [entry.worker.age for entry in roster.born] == [1, 2]
    del workers[1 << 30]
    for _ in range(3):
        roster.strike()
        roster.update()
    assert [entry.worker.age for entry in roster.gone] == [1]
    assert [entry.worker.age for entry in roster] == [2]
    roster.strike_all()
    assert [entry.worker.age for entry in roster.gone] == [1, 2]


def test_a_pid_that_is_used_again() -> None:
    """Two workers that had one pid one after the other are two."""
    workers = {7: worker(1)}
    roster = Roster(workers)
    roster.update()
    workers[7] = worker(2)
    roster.update()
    roster.strike()
    assert [entry.worker.age for entry in roster.gone] == [1]
    assert [entry.worker.age for entry in roster] == [2]


@pytest.mark.parametrize("line", range(1, 100))
def test_interrupted_anywhere(line: int) -> None:
    """A signal handler that takes workers away in between loses none and counts none twice."""
    workers = {1 << 30: worker(1), (1 << 30) + 1: worker(2)}
    roster = Roster(workers)
    steps = 0

    def interrupt(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != sys.modules[Roster.__module__].__file__:
            return None
        if event == "line":
            steps += 1
            if steps == line:
                sys.settrace(None)
                roster.update()
                workers.clear()
                roster.strike()
        return interrupt

    sys.settrace(interrupt)
    try:
        roster.update()
        workers.pop(1 << 30, None)
        roster.strike()
    finally:
        sys.settrace(None)
    workers.clear()
    roster.update()
    roster.strike()
    assert sorted(entry.worker.age for entry in roster.born) == [1, 2]
    assert sorted(entry.worker.age for entry in roster.gone) == [1, 2]


@pytest.mark.parametrize(
    ("ending", "exitcode"),
    [
        (lambda: os._exit(0), 0),
        (lambda: os._exit(3), 3),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -9),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -15),
    ],
)
def test_peeks_without_reaping(ending: Callable[[], object], exitcode: int) -> None:
    """A dead child's status is seen, and still there for Gunicorn."""
    pid = child(ending)
    workers = {pid: worker(1)}
    roster = Roster(workers)
    roster.update()
    entry = entry_of(workers[pid])
    assert entry is not None
    assert entry.exitcode == exitcode
    assert os.waitpid(pid, 0)[0] == pid
    assert peek_exitcode(pid) is None


def test_not_a_child() -> None:
    """Nothing is known of other processes."""
    assert peek_exitcode(os.getppid()) is None


def test_status_in_the_frame() -> None:
    """What Gunicorn has in its hands while it reaps is read there, for that worker only."""
    seen = []

    def child_exit() -> None:
        frame = sys._getframe()
        seen.extend([reaped_exitcode(frame, 5), reaped_exitcode(frame, 6)])

    def reap_workers() -> None:
        wpid, status = 5, 9  # noqa: F841 - read through the frame
        child_exit()

    reap_workers()
    child_exit()
    assert seen == [-9, None, None, None]
