"""The security of the endpoint: its policy, kept up to date with the files that it is made from."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Final

from ..settings import Settings, SettingsError
from .credentials import Credentials
from .passwords import Passwords
from .policy import Policy, files_of, read_policy

COMPONENT: Final = "metrics_server"

# How often the files are looked at, at most, in seconds.
_LOOK: Final = 1.0

Stamps = dict[str, tuple[int, ...] | None]


class Security:
    """What ``settings`` and the files they name say. Raises SettingsError for what cannot be used.

    A file that has changed is read again: certificates may be renewed and passwords changed without a restart. If it
    cannot be used, or would let in whom the policy in force keeps out, that stays in force, and ``on_failure`` is told:
    a file is empty for a moment when somebody writes it. To open what was closed takes new settings, or a reload.

    For one thread only.
    """

    def __init__(self, settings: Settings, passwords: Passwords, on_failure: Callable[[str, Exception], None]) -> None:
        self._settings = settings
        self._passwords = passwords
        self._on_failure = on_failure
        self._looked = time.monotonic()
        before = _stamps(files_of(settings, None))
        self._policy = read_policy(settings)
        self._stamps = self._stamps_since(before)
        self.credentials = self._make_credentials()
        self._tokens = float(self._burst)
        self._tokens_at = self._looked

    @property
    def is_tls(self) -> bool:
        return self._policy.context is not None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every response has."""
        return self._policy.headers

    def context(self) -> ssl.SSLContext | None:
        """How to speak TLS with a new client; None for plain HTTP."""
        self.refresh()
        return self._policy.context

    def admit(self, client: ssl.SSLObject) -> None:
        """Raises ssl.SSLError for a client that is to go, though its certificate is good."""
        if self._policy.tls is not None:
            self._policy.tls.admit(client)

    def takes_one_more(self) -> bool:
        """Whether the rate limit has room for one more request, which it then takes."""
        limit = self._policy.rate_limit
        if limit is None:
            return True
        now = time.monotonic()
        self._tokens = min(self._tokens + (now - self._tokens_at) / limit.interval, float(limit.burst))
        self._tokens_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def refresh(self) -> None:
        """Read again what has changed. Looks at most once a second."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        stamps = _stamps(files_of(self._settings, self._policy))
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._follow(read_policy(self._settings))
            self._stamps = self._stamps_since(stamps)
        except Exception as error:
            self._on_failure(COMPONENT, error)

    def abandon(self) -> None:
        """In a forked child: forget the keys of TLS, which OpenSSL then overwrites."""
        self._policy = Policy()

    def _follow(self, policy: Policy) -> None:
        before, after = self._policy.strictness, policy.strictness
        lost = [name.replace("_", " ") for name in before._fields if getattr(before, name) and not getattr(after, name)]
        if lost:
            files = ", ".join(files_of(self._settings, policy))
            raise SettingsError([f"{files}: would now do without {' and '.join(lost)}, which takes a reload"])
        self._policy = policy
        self.credentials = self._make_credentials()

    def _make_credentials(self) -> Credentials:
        return Credentials(self._policy.users or {}, self._policy.token, self._passwords)

    @property
    def _burst(self) -> int:
        return 0 if self._policy.rate_limit is None else self._policy.rate_limit.burst

    def _stamps_since(self, before: Stamps) -> Stamps:
        """The stamps of the policy's files: where there is one from ``before`` they were read, that one."""
        return {**_stamps(files_of(self._settings, self._policy)), **before}


def _stamps(paths: Iterable[str]) -> Stamps:
    return {path: _stamp(path) for path in paths}


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
