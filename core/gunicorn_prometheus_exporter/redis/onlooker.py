"""The onlooker: a thread of a master that looks at other instances in Redis when a scrape wants to see them.

The thread that answers scrapes must not wait for Redis: a fork waits for it, and a scrape has to be answered.
"""

from __future__ import annotations

import threading
from typing import Final

from ..failures import Failures
from ..scrape.readings import Readings
from ..server.fork_gate import ForkGate
from ..settings import Settings
from .publisher import FORK_WAIT, start_thread
from .view import View, fleet_of

THREAD_NAME: Final = "gunicorn-prometheus-onlooker"

_LONGEST_WAIT: Final = 0.5
_NOTHING: Final = Readings([], 0, 0)


class Onlooker:
    """A source of readings: what the scope of ``settings`` takes in, as of the last look. Raises SettingsError."""

    def __init__(self, settings: Settings, failures: Failures) -> None:
        self._fleet = fleet_of(settings, scope=settings.redis_scope or "fleet")
        self._view = View(self._fleet, lambda: None, failures.announce)
        self._failures = failures
        self._gate = ForkGate(fork_timeout=FORK_WAIT)
        self._readings = _NOTHING
        self._is_up = True
        self._wanted = threading.Event()
        self._done = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Harmless to call again."""
        if self._thread is None and not self._stopped:
            self._thread = start_thread(self._run, THREAD_NAME)

    def look(self) -> None:
        """Have a look, and wait for it if Redis answered the last time, but not for long."""
        self._done.clear()
        self._wanted.set()
        if self._is_up:
            self._done.wait(_LONGEST_WAIT)

    def readings(self) -> Readings:
        return self._readings

    def close(self) -> None:
        self._stopped = True
        self._wanted.set()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self._thread = None
        self._fleet.abandon()

    def _run(self) -> None:
        while self._wanted.wait() and not self._stopped:
            self._wanted.clear()
            with self._gate.working():
                try:
                    self._is_up = self._view.refresh()
                    self._readings = self._fleet.readings()
                except Exception as error:
                    self._failures.count("redis", error)
            self._done.set()
