"""Why a worker ended: one reason out of what both sides know about it."""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM
from typing import Final

from .last_word import LastWord

REASONS: Final = (
    "max_requests",
    "timeout",
    "reload",
    "scale_down",
    "shutdown",
    "sigkill",
    "signal",
    "boot_error",
    "app_load_error",
    "crash",
    "unknown",
)

# The exit codes by which a worker tells Gunicorn's master that it is no use to start another one. An application that
# fails while it is imported mostly gets the first.
_BOOT_ERROR: Final = 3
_APP_LOAD_ERROR: Final = 4
_SENT_BY_MASTER: Final = frozenset({SIGTERM, SIGQUIT, SIGINT})


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known about a worker that ended.

    ``exitcode`` is as subprocess has it: negative for a signal, None if nobody saw it. ``told`` is why the master
    told the worker to end (reload, scale_down or shutdown), ``killed`` that it lost patience afterwards. ``last_word``
    is None for a worker that was forked before the exporter came.
    """

    exitcode: int | None
    timed_out: bool = False
    told: str | None = None
    killed: bool = False
    last_word: LastWord | None = None


def exit_reason(ending: Ending) -> str:
    """One of `REASONS`. A violent end is named after itself, whatever the worker had been told before."""
    if ending.timed_out:
        return "timeout"
    if ending.exitcode is not None and ending.exitcode < 0:
        return _signalled(-ending.exitcode, ending)
    failure = _failure(ending.exitcode, ending.last_word)
    if failure is not None and not ending.killed:
        return failure
    if ending.last_word is LastWord.MAX_REQUESTS:
        return "max_requests"
    if ending.told is not None:
        return ending.told
    return {LastWord.ASKED: "signal", LastWord.CODE_CHANGED: "reload"}.get(ending.last_word or LastWord.NONE, "unknown")


def _signalled(signum: int, ending: Ending) -> str:
    if signum == SIGKILL:
        return ending.told or "shutdown" if ending.killed else "sigkill"
    # A worker that is about to put its own handlers in place dies of the signal that tells it to end.
    return ending.told if ending.told is not None and signum in _SENT_BY_MASTER else "signal"


def _failure(code: int | None, word: LastWord | None) -> str | None:
    if word is LastWord.LOADING or (code == _APP_LOAD_ERROR and word in (None, LastWord.NONE)):
        return "app_load_error"
    if (code == _BOOT_ERROR and word is None) or (code and word is LastWord.NONE):
        return "boot_error"
    # Who is aborted from outside ends with code 1, after it has said that it was asked to.
    return "crash" if word is LastWord.FAILED or (code and word is not LastWord.ASKED) else None
