"""A worker's last word to its master: what only the worker knows about its end.

It is one byte of memory that both share from before the fork, so it outlives the worker, needs no file, and cannot be
mistaken for that of another worker.
"""

from __future__ import annotations

import enum
import mmap
import os
from collections.abc import Callable
from typing import Any, Final


class LastWord(enum.IntEnum):
    """What a worker says. From ``ASKED`` on it is final: what came first is why the worker ended."""

    NONE = 0
    """It is booting."""
    LOADING = 1
    """It is booting, and has come to load the application."""
    SERVING = 2
    """It is in its main loop, and nothing has told it to leave."""
    ASKED = 3
    """A signal asked it to end."""
    MAX_REQUESTS = 4
    """It has served as many requests as it may."""
    CODE_CHANGED = 5
    """The application's code changed on disk (Gunicorn's ``reload``)."""
    FAILED = 6
    """An exception ended its main loop."""


class LastWordCell:
    """Where one worker leaves its last word. Made in the master, before the fork."""

    def __init__(self) -> None:
        self.has_speaker = False
        self._map = mmap.mmap(-1, 1)
        self._speaker = 0

    @property
    def word(self) -> LastWord:
        return LastWord(self._map[0])

    def hand_over(self) -> None:
        """In the new worker: from now on this process says what is said, and none that it forks."""
        self.has_speaker = True
        self._speaker = os.getpid()

    def say(self, word: LastWord) -> None:
        """Leave ``word``, unless a final one was said. An exception is said in any case. Fit for signal handlers."""
        if self._speaker in (0, os.getpid()) and (word is LastWord.FAILED or self._map[0] < LastWord.ASKED):
            self._map[0] = word


_CELL: Final = "prometheus_last_word"
_SIGNAL_HANDLERS: Final = (
    "handle_exit",
    "handle_quit",
    "handle_abort",
    # Those of Gunicorn's asgi worker.
    "handle_exit_signal",
    "handle_quit_signal",
    "handle_abort_signal",
)


def give_cell(worker: Any) -> None:
    """In the master, before the fork: give ``worker`` a place for its last word."""
    setattr(worker, _CELL, LastWordCell())


def last_word_of(worker: Any) -> LastWord | None:
    """What ``worker`` has said so far, None if it was never given a place to say it."""
    cell = getattr(worker, _CELL, None)
    return None if cell is None else cell.word


def speak_for(worker: Any) -> None:
    """In the new worker, of any class, before it sets up its signal handlers: let it say its last word."""
    cell: LastWordCell | None = getattr(worker, _CELL, None)
    if cell is None or cell.has_speaker:
        return
    cell.hand_over()
    for name in _SIGNAL_HANDLERS:
        handler = getattr(worker, name, None)
        if handler is not None:
            setattr(worker, name, _asking(worker, cell, handler))
    worker.load_wsgi = _loading(cell, worker.load_wsgi)
    worker.run = _speaking(worker, cell, worker.run)


def _asking(worker: Any, cell: LastWordCell, handler: Callable[..., Any]) -> Callable[..., Any]:
    def handle(*arguments: Any) -> Any:
        cell.say(LastWord.MAX_REQUESTS if _has_served_enough(worker) else LastWord.ASKED)
        return handler(*arguments)

    return handle


def _loading(cell: LastWordCell, load_wsgi: Callable[[], None]) -> Callable[[], None]:
    def speaking_load_wsgi() -> None:
        cell.say(LastWord.LOADING)
        load_wsgi()
        cell.say(LastWord.NONE)

    return speaking_load_wsgi


def _speaking(worker: Any, cell: LastWordCell, run: Callable[[], None]) -> Callable[[], None]:
    def speaking_run() -> None:
        cell.say(LastWord.SERVING)
        try:
            run()
        except SystemExit:
            raise
        except BaseException:
            cell.say(LastWord.FAILED)
            raise
        if _has_served_enough(worker):
            cell.say(LastWord.MAX_REQUESTS)
        elif worker.cfg.reload:
            cell.say(LastWord.CODE_CHANGED)

    return speaking_run


def _has_served_enough(worker: Any) -> bool:
    return bool(worker.nr >= worker.max_requests)
