"""When a fork waits for whom, and who waits for a fork."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from gunicorn_prometheus_exporter.server.fork_gate import ForkGate


def fork(in_child: Callable[[], None] = lambda: None) -> int:
    """Fork a child that does ``in_child`` and ends; return its exit code. A child that hangs is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.setitimer(signal.ITIMER_REAL, 5)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            in_child()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Worker:
    """A thread that works behind the gate until it is told to leave."""

    def __init__(self, gate: ForkGate) -> None:
        self.is_inside = threading.Event()
        self.may_leave = threading.Event()
        self._gate = gate
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._gate.working():
            self.is_inside.set()
            self.may_leave.wait(20)

    def end(self) -> None:
        self.may_leave.set()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def gate() -> ForkGate:
    return ForkGate()


def leave_after(worker: Worker, seconds: float) -> None:
    timer = threading.Timer(seconds, worker.may_leave.set)
    timer.daemon = True
    timer.start()


def test_a_fork_waits_for_work_under_way(gate: ForkGate) -> None:
    """No fork happens while a thread may hold a lock."""
    worker = Worker(gate)
    worker.is_inside.wait()
    leave_after(worker, 0.3)

    began = time.monotonic()
    assert fork() == 0

    assert 0.25 < time.monotonic() - began < 3
    worker.end()


def test_new_work_waits_for_a_fork(gate: ForkGate) -> None:
    """A fork that waits goes before work that has not begun, and that work goes on after it."""
    first = Worker(gate)
    first.is_inside.wait()
    forked = threading.Event()
    forking = threading.Thread(target=lambda: forked.set() if fork() == 0 else None)
    forking.start()
    time.sleep(0.1)

    second = Worker(gate)
    assert not second.is_inside.wait(0.2)
    first.end()

    assert second.is_inside.wait(3)
    assert forked.wait(3)
    second.end()
    forking.join()


def test_a_storm_of_work_does_not_starve_forks(gate: ForkGate) -> None:
    """Threads that leave only to come back at once let every fork through."""
    stopping = threading.Event()

    def storm() -> None:
        while not stopping.is_set():
            with gate.working():
                time.sleep(0.002)

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        began = time.monotonic()
        for _ in range(20):
            assert fork() == 0
        assert time.monotonic() - began < 5
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def test_a_thread_that_hangs_costs_one_wait() -> None:
    """Forking is delayed once and never prevented, and the gate is whole again when the thread comes back."""
    gate = ForkGate(fork_timeout=0.3)
    worker = Worker(gate)
    worker.is_inside.wait()

    began = time.monotonic()
    assert fork() == 0
    first = time.monotonic() - began
    began = time.monotonic()
    assert fork() == 0
    second = time.monotonic() - began

    assert 0.25 < first < 3
    assert second < 0.2
    worker.end()
    again = Worker(gate)
    again.is_inside.wait()
    leave_after(again, 0.2)
    began = time.monotonic()
    assert fork() == 0
    assert time.monotonic() - began > 0.15
    again.end()


def test_a_thread_that_works_can_fork(gate: ForkGate) -> None:
    """Neither waits for itself, and both sides leave the gate in order."""

    def work_again() -> None:
        with gate.working():
            pass

    began = time.monotonic()
    with gate.working():
        pid = os.fork()
    if pid == 0:
        work_again()
        os._exit(fork(work_again))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert fork(work_again) == 0
    assert time.monotonic() - began < 3


def test_work_nests_while_a_fork_waits(gate: ForkGate) -> None:
    """Who is inside can go further in: the fork waits for it, so it must not wait for the fork."""
    is_inside, nested = threading.Event(), threading.Event()

    def work() -> None:
        with gate.working():
            is_inside.set()
            time.sleep(0.2)
            with gate.working():
                nested.set()

    thread = threading.Thread(target=work)
    thread.start()
    is_inside.wait()
    began = time.monotonic()
    assert fork() == 0

    assert nested.is_set()
    assert time.monotonic() - began < 3
    thread.join()


def test_a_child_can_work_and_fork(gate: ForkGate) -> None:
    """Nothing of the parent's threads is left in the gate of a child, even of one that did not wait for them."""
    impatient = ForkGate(fork_timeout=0.5)
    workers = [Worker(gate), Worker(impatient)]
    for worker in workers:
        worker.is_inside.wait()
    leave_after(workers[0], 0.2)

    def live() -> None:
        for each in (gate, impatient):
            with each.working():
                pass
        began = time.monotonic()
        assert fork() == 0
        assert time.monotonic() - began < 0.3

    assert fork(live) == 0
    for worker in workers:
        worker.end()


def test_a_fork_does_not_copy_a_closed_gate() -> None:
    """A thread that is just coming in when the process forks, and so holds the gate's own lock, is not in the child."""
    hooks: list[Callable[[], None]] = []
    os.register_at_fork(before=lambda: [hook() for hook in hooks])
    gate = ForkGate()  # its hook was registered later, so it runs before the one above
    is_held, may_release = threading.Event(), threading.Event()

    def hold() -> None:
        with gate._changed:
            is_held.set()
            may_release.wait(10)

    thread = threading.Thread(target=hold)

    def let_it_in() -> None:
        thread.start()
        is_held.wait(5)
        threading.Timer(0.3, may_release.set).start()

    hooks.append(let_it_in)

    def work() -> None:
        with gate.working():
            pass

    pid = os.fork()
    if pid == 0:
        hooks.clear()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 5)
        work()
        os._exit(0)
    hooks.clear()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()


def test_a_signal_handler_may_fork_while_a_fork_waits(gate: ForkGate) -> None:
    """What interrupts the wait can itself fork and work; the outer fork still waits for its due."""
    worker = Worker(gate)
    worker.is_inside.wait()
    codes: list[int] = []

    def handle(*_: object) -> None:
        with gate.working():
            codes.append(fork())

    before = signal.signal(signal.SIGUSR1, handle)
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    interrupt.start()
    leave_after(worker, 0.4)
    try:
        began = time.monotonic()
        assert fork() == 0
        assert 0.3 < time.monotonic() - began < 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert codes == [0]
    worker.end()


def test_threads_can_fork_at_once(gate: ForkGate) -> None:
    """Two forks do not wait for each other."""
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(fork())) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [0] * 4
    assert time.monotonic() - began < 3
    with gate.working():
        pass


def test_a_gate_can_go_away() -> None:
    """The hooks, which cannot be taken back, do not keep a gate alive, nor miss it."""
    gate = ForkGate()
    gone = weakref.ref(gate)
    del gate
    gc.collect()

    assert gone() is None
    assert fork() == 0
