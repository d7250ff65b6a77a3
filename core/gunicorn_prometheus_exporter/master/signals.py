"""Counts the signals that a master handles, in its main loop."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ..gunicorn_versions import REAPS_IN_SIGNAL_HANDLER
from .wrapping import wrap

SIGNALS: Final = ("hup", "int", "quit", "term", "ttin", "ttou", "usr1", "usr2", "winch", "chld")

# Linux has two names for one signal, and which of them Gunicorn uses is an accident of sorting.
_ALIASES: Final = {"cld": "chld"}


class SignalCounts:
    """Tells ``count`` the name of each signal that an arbiter handles, before it handles it."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._names: dict[int, str] = {}
        self._waiting: deque[int] = deque()
        self._deaths: deque[str] = deque()

    def watch(self, arbiter: Any) -> None:
        """Wrap the handlers of ``arbiter``, this object's own, not its class's."""
        self._names = arbiter.SIG_NAMES
        for name in (*SIGNALS, *_ALIASES):
            if hasattr(arbiter, f"handle_{name}") and not (REAPS_IN_SIGNAL_HANDLER and name == "chld"):
                wrap(arbiter, f"handle_{name}", self._counting(_ALIASES.get(name, name)))
        if hasattr(arbiter, "wait_for_signals"):
            wrap(arbiter, "wait_for_signals", self._taking_note)

    def death(self) -> None:
        """A SIGCHLD is being handled inside the signal handler itself, where nothing can be counted: note it."""
        self._deaths.append("chld")

    def settle(self) -> None:
        """In the main loop: count what was noted."""
        while self._deaths:
            self._count(self._deaths.popleft())

    def begin_stop(self, arbiter: Any) -> None:
        """The arbiter is about to stop its workers. Meanwhile it takes signals from its queue by itself, if at all."""
        if hasattr(arbiter.SIG_QUEUE, "get_nowait") and not isinstance(arbiter.SIG_QUEUE, _CountedQueue):
            arbiter.SIG_QUEUE = _CountedQueue(arbiter.SIG_QUEUE, self._count_number)

    def end_stop(self, arbiter: Any) -> None:
        """Count the signals that came after the one that ends the arbiter: nobody will handle them."""
        self.settle()
        while self._waiting:
            self._count_number(self._waiting.popleft())
        if isinstance(arbiter.SIG_QUEUE, _CountedQueue):
            arbiter.SIG_QUEUE.empty_out()
        else:
            while arbiter.SIG_QUEUE:
                self._count_number(arbiter.SIG_QUEUE.pop(0))

    def _counting(self, name: str) -> Callable[..., Any]:
        def handle(handler: Callable[..., Any], *arguments: Any) -> Any:
            if self._waiting:
                self._waiting.popleft()
            self._count(name)
            return handler(*arguments)

        return handle

    def _taking_note(self, wait: Callable[..., list[int]], *arguments: Any, **named: Any) -> list[int]:
        signums = wait(*arguments, **named)
        # The first of them may end the loop, and the others would be lost.
        self._waiting = deque(signum for signum in signums if self._label(signum) is not None)
        return signums

    def _label(self, signum: int) -> str | None:
        name = self._names.get(signum, "")
        label = _ALIASES.get(name, name)
        return label if label in SIGNALS else None

    def _count_number(self, signum: int) -> None:
        label = self._label(signum)
        if label is not None:
            self._count(label)


class _CountedQueue:
    """An arbiter's signal queue that counts what is taken from it."""

    def __init__(self, signums: Any, count: Callable[[int], None]) -> None:
        self._signums = signums
        self._count = count

    def get_nowait(self) -> int:
        signum: int = self._signums.get_nowait()
        self._count(signum)
        return signum

    def empty_out(self) -> None:
        try:
            while True:
                self.get_nowait()
        except queue.Empty:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signums, name)
