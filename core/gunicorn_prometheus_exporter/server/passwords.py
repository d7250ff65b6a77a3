"""Passwords that are checked against bcrypt hashes, which takes long on purpose."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from .background import block_signals

THREAD_NAME: Final = "gunicorn-prometheus-passwords"

_RIGHT_ONES: Final = 128
_WRONG_ONES: Final = 1024
_ADDRESSES: Final = 1024
_MOST_WAITING: Final = 16
# After a wrong password the thread rests this many times as long as the check took.
_REST: Final = 4.0

Key = TypeVar("Key")
Value = TypeVar("Value")
Matches = Callable[[bytes, bytes], bool]


class TooManyAttempts(Exception):
    """As many passwords of this address as may wait are waiting."""


@dataclass(eq=False, slots=True)
class Attempt:
    """A password that waits for its check. ``listeners`` are called, in any thread, when that is done."""

    key: bytes
    password: bytes
    hashed: bytes
    address: str
    listeners: list[Callable[[], None]] = field(default_factory=list)


class Passwords:
    """Checks passwords in a thread of its own, one at a time, and remembers what it found.

    A scraper's password is checked once. A flood of wrong ones takes a fifth of a processor at most; of the addresses
    that have one waiting, that with the fewest failures is next. So a client that has sent no wrong password waits for
    the check under way, and for nobody else. What is remembered is bounded, and right passwords are
    remembered apart from the wrong ones, which can so not push them out.

    ``matches`` tells whether a password is that of a hash. Safe to use from any thread.
    """

    def __init__(self, matches: Matches) -> None:
        self.secret = os.urandom(32)
        """For the caller's keys: from what is remembered here nobody is to learn a password."""
        self._matches = matches
        self._changed = threading.Condition()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._waiting: dict[str, deque[Attempt]] = {}
        self._attempts: dict[bytes, Attempt] = {}
        self._rests_until = 0.0
        self._thread: threading.Thread | None = None

    def known(self, key: bytes) -> bool | None:
        """Whether the password of ``key`` is right, None if that is not known. The caller's keys tell all apart."""
        with self._changed:
            if key in self._right:
                self._right.move_to_end(key)
                return True
            return False if key in self._wrong else None

    def check(
        self, key: bytes, password: bytes, hashed: bytes, address: str, listener: Callable[[], None]
    ) -> Callable[[], None]:
        """Have a password checked that is not `known`. Returns what takes ``listener`` back.

        Raises TooManyAttempts. If the answer is not known when ``listener`` is called, there is none.
        """
        with self._changed:
            attempt = self._attempts.get(key)
            if attempt is None:
                queue = self._waiting.setdefault(address, deque())
                if len(queue) >= _MOST_WAITING:
                    raise TooManyAttempts
                attempt = self._attempts[key] = Attempt(key, password, hashed, address)
                queue.append(attempt)
            attempt.listeners.append(listener)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(threading.get_native_id(),), name=THREAD_NAME, daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        waited_for = attempt
        return lambda: self._cancel(waited_for, listener)

    def close(self) -> None:
        """End the thread, soon. The next `check` starts another."""
        with self._changed:
            self._thread = None
            self._changed.notify_all()

    def _cancel(self, attempt: Attempt, listener: Callable[[], None]) -> None:
        with self._changed:
            if listener in attempt.listeners:
                attempt.listeners.remove(listener)
            if not attempt.listeners and attempt in self._waiting.get(attempt.address, ()):
                self._remove(attempt)
                del self._attempts[attempt.key]

    def _remove(self, attempt: Attempt) -> None:
        queue = self._waiting[attempt.address]
        queue.remove(attempt)
        if not queue:
            del self._waiting[attempt.address]

    def _run(self, starter: int) -> None:
        block_signals(starter)
        while (attempt := self._next()) is not None:
            began = time.thread_time()
            try:
                is_right = self._matches(attempt.password, attempt.hashed)
            except Exception:
                is_right = False
            self._settle(attempt, is_right, time.thread_time() - began)

    def _next(self) -> Attempt | None:
        with self._changed:
            while self._thread is threading.current_thread():
                address = min(self._waiting, key=lambda each: self._failures.get(each, 0), default=None)
                rest = self._rests_until - time.monotonic()
                if address is None:
                    self._changed.wait()
                elif rest > 0 and address in self._failures:
                    self._changed.wait(rest)
                else:
                    attempt = self._waiting[address][0]
                    self._remove(attempt)
                    return attempt
        return None

    def _settle(self, attempt: Attempt, is_right: bool, spent: float) -> None:
        with self._changed:
            del self._attempts[attempt.key]
            if is_right:
                _remember(self._right, attempt.key, None, _RIGHT_ONES)
                self._failures.pop(attempt.address, None)
            else:
                _remember(self._wrong, attempt.key, None, _WRONG_ONES)
                _remember(self._failures, attempt.address, self._failures.get(attempt.address, 0) + 1, _ADDRESSES)
                self._rests_until = time.monotonic() + spent * _REST
            listeners = list(attempt.listeners)
        for listener in listeners:
            listener()


def _remember(memory: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
