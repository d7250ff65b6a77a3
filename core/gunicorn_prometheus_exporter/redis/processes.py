"""Processes that are not Gunicorn: a Celery worker or a cron job whose metrics join those of the fleet in Redis."""

from __future__ import annotations

import atexit
import os

from .. import process
from ..catalogue import CATALOGUE
from ..master.handover import Handover
from ..master.storage import Ids, open_store, unusable
from ..recorder.series import CappedCounter
from ..settings import Settings, SettingsError, read_settings
from ..storage.memory import MemoryStore
from ..storage.published import PublishedDirectory
from ..storage.segments import Segments
from .publisher import Publisher


def setup_redis_metrics() -> bool:
    """Publish this process's prometheus_client metrics to Redis, and those of the processes that it forks.

    The settings are those of the environment and of `load_yaml_config`. Returns False, and does nothing, unless Redis
    is enabled by them. Harmless to call again, and under Gunicorn, whose master publishes already. A thread publishes
    once in each interval, and a last time when the process ends or calls `teardown_redis_metrics`.

    Call it in the process that forks the others, before it does, or in each. Give processes of one host names of their
    own by PROMETHEUS_INSTANCE_ID, if they are to be told apart. Raises SettingsError.
    """
    global _publishing
    settings = read_settings(os.environ)
    if not settings.redis_enabled:
        return False
    if process.current().store is None:
        _publishing = _Publishing(settings)
    return True


def teardown_redis_metrics() -> None:
    """Publish for the last time, which takes a few seconds at most, and stop. Harmless to call again.

    The metrics start from zero then: what they have counted is in Redis.
    """
    global _publishing
    publishing, _publishing = _publishing, None
    if publishing is not None:
        publishing.close()


class _Publishing:
    """What `setup_redis_metrics` has set up in this process."""

    def __init__(self, settings: Settings) -> None:
        here = process.current()
        try:
            store = open_store(settings, Ids(os.geteuid(), os.getegid()), Handover(), here.failures.report)
            slot = store.slots.take("m")
            segments = Segments(store, slot.owner)
            counters = segments.get("counter")
        except OSError as error:
            raise unusable(settings, error) from error
        if not isinstance(store, MemoryStore | PublishedDirectory):
            raise SettingsError([settings.problem("redis_enabled", "on")])
        failed = CappedCounter(counters, CATALOGUE["gunicorn_exporter_redis_publish_failures"], 1, [])
        failed.start()
        self._publisher = Publisher(store, settings, here.failures, slot.owner, failed.increment)
        self._store = store
        self._slot = slot
        self._pid = os.getpid()
        here.settings = settings
        here.install()
        here.bind(store, segments)
        os.register_at_fork(after_in_child=self._abandon)
        atexit.register(self.close)
        self._publisher.start()

    def close(self) -> None:
        """Publish for the last time; nothing in a process that was forked from this one."""
        if os.getpid() != self._pid:
            return
        self._pid = 0
        atexit.unregister(self.close)
        self._publisher.close()
        process.current().release()
        self._store.slots.let_go(self._slot)
        self._store.close()

    def _abandon(self) -> None:
        if self._pid:
            self._publisher.abandon()


_publishing: _Publishing | None = None
