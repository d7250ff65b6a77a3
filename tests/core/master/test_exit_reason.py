"""The reason of a worker's end, from what is known about it."""

from __future__ import annotations

from signal import SIGABRT, SIGKILL, SIGQUIT, SIGSEGV, SIGTERM

import pytest

from gunicorn_prometheus_exporter.master.exit_reason import REASONS, Ending, exit_reason
from gunicorn_prometheus_exporter.master.last_word import LastWord

NONE, LOADING, SERVING, ASKED, MAX_REQUESTS, CODE_CHANGED, FAILED = LastWord

TABLE = {
    # Violent ends are named after themselves, whatever the worker was told or said.
    "timeout": [
        Ending(0, timed_out=True, last_word=ASKED),
        Ending(1, timed_out=True, last_word=ASKED),
        Ending(-SIGKILL, timed_out=True, killed=True, last_word=SERVING),
        Ending(-SIGABRT, timed_out=True, told="reload"),
        Ending(None, timed_out=True),
    ],
    "sigkill": [
        Ending(-SIGKILL, last_word=SERVING),
        Ending(-SIGKILL, last_word=LOADING),
        Ending(-SIGKILL, told="reload", last_word=ASKED),
        Ending(-SIGKILL, told="shutdown", last_word=ASKED),
    ],
    "signal": [
        Ending(-SIGSEGV, last_word=SERVING),
        Ending(-SIGSEGV, told="shutdown", last_word=ASKED),
        Ending(-SIGTERM, last_word=NONE),
        Ending(0, last_word=ASKED),
        Ending(1, last_word=ASKED),
        Ending(None, last_word=ASKED),
    ],
    # What the master has told a worker.
    "reload": [
        Ending(0, told="reload", last_word=ASKED),
        Ending(0, told="reload", last_word=NONE),
        Ending(0, told="reload"),
        Ending(None, told="reload", last_word=SERVING),
        Ending(-SIGTERM, told="reload", last_word=NONE),
        Ending(-SIGKILL, told="reload", killed=True, last_word=ASKED),
        Ending(0, last_word=CODE_CHANGED),
    ],
    "scale_down": [Ending(0, told="scale_down", last_word=ASKED), Ending(-SIGQUIT, told="scale_down", last_word=NONE)],
    "shutdown": [
        Ending(0, told="shutdown", last_word=ASKED),
        Ending(-SIGKILL, told="shutdown", killed=True, last_word=ASKED),
        Ending(None, told="shutdown", killed=True, last_word=LOADING),
    ],
    # What a worker has said, or its exit code tells.
    "max_requests": [Ending(0, last_word=MAX_REQUESTS), Ending(0, told="reload", last_word=MAX_REQUESTS)],
    "boot_error": [
        Ending(3, last_word=NONE),
        Ending(3),
        Ending(1, last_word=NONE),
        Ending(3, told="shutdown", last_word=NONE),
    ],
    "app_load_error": [
        Ending(4, last_word=LOADING),
        Ending(3, last_word=LOADING),
        Ending(1, last_word=LOADING),
        Ending(0, last_word=LOADING),
        Ending(4),
        Ending(4, told="shutdown", last_word=LOADING),
    ],
    "crash": [
        Ending(255, last_word=FAILED),
        Ending(255, told="reload", last_word=FAILED),
        Ending(None, last_word=FAILED),
        Ending(7, last_word=SERVING),
        Ending(3, last_word=SERVING),
        Ending(4, last_word=SERVING),
        Ending(7),
    ],
    "unknown": [Ending(0, last_word=SERVING), Ending(0), Ending(None), Ending(None, last_word=NONE)],
}


@pytest.mark.parametrize(
    ("expected", "ending"), [(reason, ending) for reason, endings in TABLE.items() for ending in endings], ids=repr
)
def test_reason(expected: str, ending: Ending) -> None:
    """Each combination of what master and worker know has its one reason."""
    assert exit_reason(ending) == expected


def test_every_reason_is_in_the_table() -> None:
    """The catalogue's reasons and those of the table are the same."""
    assert set(TABLE) == set(REASONS)
