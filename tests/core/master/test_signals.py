"""Counting signals around an arbiter's own handlers."""

from __future__ import annotations

import queue
import signal
from typing import Any

import pytest

from gunicorn_prometheus_exporter.gunicorn_versions import REAPS_IN_SIGNAL_HANDLER
from gunicorn_prometheus_exporter.master.signals import SignalCounts


class FakeArbiter:
    """As much of an arbiter as handles signals: those of one batch, the first of which may end it."""

    SIG_NAMES = {int(signum): signum.name[3:].lower() for signum in signal.Signals if signum.name[3:].isalnum()} | {
        int(signal.SIGCHLD): "cld"
    }

    def __init__(self, *signums: int) -> None:
        self.SIG_QUEUE: Any = queue.SimpleQueue()
        for signum in signums:
            self.SIG_QUEUE.put_nowait(signum)
        self.handled: list[str] = []

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        return [self.SIG_QUEUE.get_nowait() for _ in range(self.SIG_QUEUE.qsize())]

    def run_once(self) -> None:
        for signum in self.wait_for_signals(timeout=1.0):
            getattr(self, f"handle_{self.SIG_NAMES[signum]}")()

    def handle_hup(self) -> None:
        self.handled.append("hup")

    def handle_chld(self) -> None:
        self.handled.append("chld")

    handle_cld = handle_chld

    def handle_term(self) -> None:
        raise StopIteration


def watched(*signums: int) -> tuple[FakeArbiter, SignalCounts, list[str]]:
    arbiter, counted = FakeArbiter(*signums), list[str]()
    counts = SignalCounts(counted.append)
    counts.watch(arbiter)
    return arbiter, counts, counted


def test_counts_and_handles() -> None:
    """Each signal is counted once, and handled as before; the class is left alone."""
    before = dict(vars(FakeArbiter))
    arbiter, _, counted = watched(signal.SIGHUP, signal.SIGHUP, signal.SIGCHLD)
    arbiter.run_once()
    assert arbiter.handled == ["hup", "hup", "chld"]
    assert counted == ["hup", "hup", "chld"]
    assert dict(vars(FakeArbiter)) == before


def test_what_comes_after_the_last_one() -> None:
    """Signals behind the one that ends the arbiter, and those while it stops, are counted, once."""
    arbiter, counts, counted = watched(signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    with pytest.raises(StopIteration):
        arbiter.run_once()
    for _ in range(2):
        counts.begin_stop(arbiter)
        arbiter.SIG_QUEUE.put_nowait(signal.SIGQUIT)
        assert arbiter.SIG_QUEUE.get_nowait() == signal.SIGQUIT
        arbiter.SIG_QUEUE.put_nowait(signal.SIGUSR1)
        counts.end_stop(arbiter)
    assert counted == ["hup", "term", "quit", "int", "usr1", "quit", "usr1"]


def test_a_list_for_a_queue() -> None:
    """Gunicorn before 24 queues signals in a list, and takes none while it stops."""
    arbiter, counts, counted = watched()
    arbiter.SIG_QUEUE = [signal.SIGINT, signal.SIGWINCH]
    counts.begin_stop(arbiter)
    counts.end_stop(arbiter)
    assert counted == ["int", "winch"]
    assert arbiter.SIG_QUEUE == []


def test_deaths_are_noted_first() -> None:
    """What a signal handler notes is counted when the main loop settles."""
    _, counts, counted = watched()
    counts.death()
    assert counted == []
    counts.settle()
    counts.settle()
    assert counted == ["chld"]


def test_which_gunicorn_reaps_in_the_handler() -> None:
    """The version decides, and what it decides is one of two."""
    import gunicorn

    assert (gunicorn.version_info < (24,)) == REAPS_IN_SIGNAL_HANDLER
