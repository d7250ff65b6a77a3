"""What a worker says about its end, and that its master hears it."""

from __future__ import annotations

import contextlib
import os
from types import SimpleNamespace
from typing import Any

import pytest

from gunicorn_prometheus_exporter.master.last_word import LastWord, LastWordCell, give_cell, last_word_of, speak_for


class FakeWorker:
    """As much of a Gunicorn worker as ends."""

    def __init__(self, *, ending: BaseException | None = None, nr: int = 0, reload: bool = False) -> None:
        self.ending = ending
        self.nr = nr
        self.max_requests = 10
        self.cfg = SimpleNamespace(reload=reload)
        self.signalled = False

    def load_wsgi(self) -> None:
        if self.ending is not None and str(self.ending) == "loading":
            raise self.ending

    def run(self) -> None:
        if self.signalled:
            self.handle_exit(15, None)
        if self.ending is not None:
            raise self.ending

    def handle_exit(self, sig: int, frame: Any) -> None:
        pass

    def handle_quit(self, sig: int, frame: Any) -> None:
        raise SystemExit(0)


def life(worker: FakeWorker) -> LastWord | None:
    """Boot and run ``worker`` as Gunicorn does; its last word."""
    give_cell(worker)
    speak_for(worker)
    with contextlib.suppress(BaseException):
        worker.load_wsgi()
        worker.run()
    return last_word_of(worker)


def test_says_what_ended_it() -> None:
    """Each way out of the main loop has its word."""
    asked = FakeWorker()
    asked.signalled = True
    asked_when_done = FakeWorker(nr=10)
    asked_when_done.signalled = True
    assert life(FakeWorker()) is LastWord.SERVING
    assert life(FakeWorker(nr=10)) is LastWord.MAX_REQUESTS
    assert life(FakeWorker(reload=True)) is LastWord.CODE_CHANGED
    assert life(FakeWorker(ending=ValueError())) is LastWord.FAILED
    assert life(FakeWorker(ending=SystemExit(0))) is LastWord.SERVING
    assert life(FakeWorker(ending=ImportError("loading"))) is LastWord.LOADING
    assert life(asked) is LastWord.ASKED
    assert life(asked_when_done) is LastWord.MAX_REQUESTS


def test_quit_is_said_before_it_raises() -> None:
    """A handler that leaves by SystemExit has said so first."""
    worker = FakeWorker()
    give_cell(worker)
    speak_for(worker)
    with pytest.raises(SystemExit):
        worker.handle_quit(3, None)
    assert last_word_of(worker) is LastWord.ASKED


def test_first_final_word_stays() -> None:
    """What came first is the reason; only an exception has more to say."""
    cell = LastWordCell()
    cell.say(LastWord.ASKED)
    cell.say(LastWord.MAX_REQUESTS)
    assert cell.word is LastWord.ASKED
    cell.say(LastWord.FAILED)
    assert cell.word is LastWord.FAILED


def test_speaks_once() -> None:
    """Being called twice wraps once."""
    worker = FakeWorker()
    give_cell(worker)
    speak_for(worker)
    run = worker.run
    speak_for(worker)
    assert worker.run is run


def test_no_cell_no_word() -> None:
    """A worker from before the exporter came is left alone."""
    worker = FakeWorker()
    speak_for(worker)
    assert "run" not in vars(worker)
    assert last_word_of(worker) is None


def test_heard_across_the_fork() -> None:
    """The master reads what a child said that is gone."""
    cell = LastWordCell()
    pid = os.fork()
    if pid == 0:
        cell.say(LastWord.MAX_REQUESTS)
        os._exit(0)
    os.waitpid(pid, 0)
    assert cell.word is LastWord.MAX_REQUESTS
