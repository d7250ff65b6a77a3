"""The publisher: the thread of a master that copies what changed to Redis, once in each interval.

Whatever Redis does, nobody waits for it but this thread, and nothing is queued: what could not be sent is in memory
still, as a value that goes on growing there.
"""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from ..catalogue import CATALOGUE
from ..failures import Failures
from ..scrape.stores import source_of
from ..server.fork_gate import ForkGate
from ..settings import Settings
from ..settings.redis import RedisSettings
from ..storage.published import Published
from .connection import RedisConnection, RedisTrouble
from .instance import instance_name, source_info
from .layout import Keys
from .publication import Publication, RedisLostData
from .retirer import Retirer

COMPONENT: Final = "redis"
THREAD_NAME: Final = "gunicorn-prometheus-publisher"

_LONGEST_PAUSE: Final = 10.0
_LONGEST_GOODBYE: Final = 5.0
_RETIRE_SECONDS: Final = 30.0
_RETIRE_AT_ONCE: Final = 1.0
# Redis may come and go: at most so often is that worth a line, in seconds.
_SILENCE: Final = 60.0
# A thread that waits for Redis holds no lock that a child could need, so a fork need not wait for it for long.
FORK_WAIT: Final = 0.1
_FAMILIES: Final = (
    CATALOGUE["gunicorn_exporter_redis_up"],
    CATALOGUE["gunicorn_exporter_redis_publish_duration_seconds"],
)


def start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """A thread that gets no signals: those are the arbiter's, whose system calls they must interrupt."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return thread


class Publisher:
    """Publishes ``store`` for the master in slot ``owner``, as ``settings`` say.

    Of all masters of one store one does, and the next one when that is gone. ``failed`` is told of each publish that
    failed, in the thread. Raises SettingsError.
    """

    def __init__(
        self,
        store: Published,
        settings: Settings,
        failures: Failures,
        owner: str,
        failed: Callable[[], object] = bool,
    ) -> None:
        self._store = store
        self._failures = failures
        self._owner = owner
        self._failed = failed
        self._settings = settings
        self._gate = ForkGate(fork_timeout=FORK_WAIT)
        self._connection = RedisConnection(settings)
        self._publication = self._make_publication()
        self._retirer = self._make_retirer()
        self._retires_at = 0.0
        self._retires_in_vain = 0
        self._follows: tuple[Settings, RedisConnection] | None = None
        self._lock: int | None = None
        self._up: bool | None = None
        self._duration = 0.0
        self._failures_in_a_row = 0
        self._failing_since = 0.0
        self._announced = -_SILENCE
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Publish from now on. Harmless to call again."""
        if self._thread is None and not self._stopped.is_set():
            self._thread = start_thread(self._run, THREAD_NAME)

    def follow(self, settings: Settings) -> None:
        """Publish as the new ``settings`` say, from the next interval on. Raises SettingsError and changes nothing."""
        if _of_redis(settings) != _of_redis(self._settings):
            self._follows = settings, RedisConnection(settings)

    def close(self) -> None:
        """Publish once more and stop, within a few seconds."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(min(self._settings.redis_timeout * 2 + 0.5, _LONGEST_GOODBYE))
            self._thread = None

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self._thread = None
        self._connection.abandon()
        self._let_go_of_lock()

    def metrics(self) -> Iterable[Metric]:
        """The families about the exchange with Redis that only this process knows."""
        if self._up is not None:
            for family, value in zip(_FAMILIES, (float(self._up), self._duration), strict=True):
                yield GaugeMetricFamily(family.name, family.help, value)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            with self._gate.working():
                pause = self._turn(lambda: self._publication.publish())
        with self._gate.working():
            self._turn(self._say_goodbye)
            self._let_go_of_lock()

    def _say_goodbye(self) -> None:
        shared = self._store.is_shared(self._owner)
        (self._publication.publish if shared else self._publication.end)()
        self._connection.close()

    def _turn(self, publish: Callable[[], None]) -> float:
        """Publish, if it is this process that does; return the seconds until the next time. Raises nothing."""
        try:
            self._take_new_settings()
            if not self._is_publisher():
                return self._settings.redis_publish_interval
            started = time.monotonic()
            publish()
            self._duration = time.monotonic() - started
        except (RedisTrouble, RedisLostData) as error:
            return self._failure(str(error))
        except Exception as error:
            self._failures.count(COMPONENT, error)
            return self._failure(f"{type(error).__name__}: {error}")
        self._success()
        self._retire_now_and_then()
        return self._settings.redis_publish_interval

    def _retire_now_and_then(self) -> None:
        """Do what falls to one of those who share Redis, so that it also happens where nobody serves a fleet."""
        now = time.monotonic()
        if now < self._retires_at:
            return
        pause = min(_RETIRE_SECONDS, self._settings.redis_ttl_seconds)
        self._retires_at = now + float(pause * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            self._retirer.run(seconds=_RETIRE_AT_ONCE)
        except RedisTrouble as error:
            # Once may be the beginning of an outage, which is said by itself.
            self._retires_in_vain += 1
            if self._retires_in_vain == 2:
                self._failures.announce(f"What instances that are gone have counted is not put together: {error}")
        except Exception as error:
            self._failures.count(COMPONENT, error)
        else:
            self._retires_in_vain = 0

    def _is_publisher(self) -> bool:
        if self._lock is None:
            self._lock = self._store.try_lock_publisher()
        return self._lock is not None

    def _let_go_of_lock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _take_new_settings(self) -> None:
        if self._follows is None:
            return
        old, place = self._connection, self._place()
        (self._settings, self._connection), self._follows = self._follows, None
        self._publication = self._make_publication()
        self._retirer = self._make_retirer()
        if self._place() != place:
            self._publication.forget_what_is_settled()
        old.close()

    def _place(self) -> tuple[str, int, str, str]:
        """Where the values are published, and as whose."""
        settings = self._settings
        return self._connection.address, settings.redis_db, settings.redis_key_prefix, instance_name(settings)

    def _make_publication(self) -> Publication:
        settings = self._settings
        return Publication(
            self._store,
            source_of(self._store),
            self._connection,
            Keys(settings.redis_key_prefix),
            instance_name(settings),
            source_info(settings),
            None if settings.redis_ttl_disabled else float(settings.redis_ttl_seconds),
        )

    def _make_retirer(self) -> Retirer:
        return Retirer(self._connection, Keys(self._settings.redis_key_prefix), self._failures.count)

    def _failure(self, reason: str) -> float:
        """Note that a publish failed because of ``reason``; return how long to leave Redis alone."""
        self._up = False
        self._failed()
        now = time.monotonic()
        if self._failures_in_a_row == 0:
            self._failing_since = now
            if now - self._announced >= _SILENCE:
                self._announced = now
                self._failures.announce(
                    f"gunicorn-prometheus-exporter cannot publish to Redis, and keeps trying: {reason}. Requests are "
                    "not affected. Nothing that is counted meanwhile is lost as long as this master lives."
                )
        pause = min(self._settings.redis_publish_interval * 2**self._failures_in_a_row, _LONGEST_PAUSE)
        self._failures_in_a_row = min(self._failures_in_a_row + 1, 16)
        # Not all at once when it is back.
        return float(pause * random.uniform(0.5, 1.0))  # noqa: S311 - nobody has anything from guessing it

    def _success(self) -> None:
        self._up = True
        if self._failures_in_a_row and self._announced >= self._failing_since:
            seconds = time.monotonic() - self._failing_since
            self._failures.announce(f"gunicorn-prometheus-exporter publishes to Redis again, after {seconds:.0f} s.")
        self._failures_in_a_row = 0


def _of_redis(settings: Settings) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(RedisSettings)}
