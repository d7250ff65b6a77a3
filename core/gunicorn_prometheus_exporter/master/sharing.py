"""What a master shares with others, and what of theirs it shows: by Redis, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from prometheus_client.core import Metric

from ..catalogue import CATALOGUE
from ..failures import Failures
from ..recorder.series import CappedCounter
from ..scrape.readings import ReadingSource
from ..scrape.source import SegmentSource
from ..scrape.stores import source_of
from ..settings import Settings, SettingsError
from ..storage.memory import MemoryStore
from ..storage.published import Published, PublishedDirectory
from ..storage.segment import Segment
from ..storage.segments import Store

if TYPE_CHECKING:
    from ..redis.onlooker import Onlooker

_WITH_THE_NEXT_START = ("redis_enabled", "redis_scope", "redis_instance_label")


class NotShared:
    """The values of ``store`` are this master's affair."""

    def __init__(self, store: Store) -> None:
        self.source: SegmentSource | ReadingSource = source_of(store)

    def start(self) -> None:
        """Begin, once there is an arbiter. Harmless to call again."""

    def look(self) -> None:
        """Before a scrape: see what the others have."""

    def metrics(self) -> Iterable[Metric]:
        """What is to be told about the sharing."""
        return ()

    def follow(self, settings: Settings, old: Settings, log: Any) -> None:
        """A reload has brought new ``settings``."""
        later = [name for name in _WITH_THE_NEXT_START if getattr(settings, name) != getattr(old, name)]
        if later:
            log.warning("gunicorn-prometheus-exporter: %s take effect with the next start.", ", ".join(later))

    def abandon(self) -> None:
        """In a forked worker: let go of what is the master's."""

    def close(self) -> None:
        """The last thing before the store is closed."""


class Shared(NotShared):
    """The values of ``store`` are published in Redis, for the master in slot ``owner``. Raises SettingsError.

    A scrape shows those of this master, from its memory, or whatever else the settings say, from Redis.
    """

    def __init__(self, store: Published, settings: Settings, failures: Failures, owner: str, counters: Segment) -> None:
        super().__init__(store)
        # Whoever does not use Redis does not load what belongs to it.
        from ..redis.onlooker import Onlooker
        from ..redis.publisher import Publisher

        failed = CappedCounter(counters, CATALOGUE["gunicorn_exporter_redis_publish_failures"], 1, [])
        failed.start()
        self._publisher = Publisher(store, settings, failures, owner, failed.increment)
        self._onlooker: Onlooker | None = None
        if settings.redis_scope not in {None, "instance"}:
            self.source = self._onlooker = Onlooker(settings, failures)

    def start(self) -> None:
        self._publisher.start()
        if self._onlooker is not None:
            self._onlooker.start()

    def look(self) -> None:
        if self._onlooker is not None:
            self._onlooker.look()

    def metrics(self) -> Iterable[Metric]:
        return self._publisher.metrics()

    def follow(self, settings: Settings, old: Settings, log: Any) -> None:
        super().follow(settings, old, log)
        try:
            self._publisher.follow(settings)
        except SettingsError as error:
            log.error("%s\nMetrics are published as they were before.", error)

    def abandon(self) -> None:
        self._publisher.abandon()
        if self._onlooker is not None:
            self._onlooker.abandon()

    def close(self) -> None:
        if self._onlooker is not None:
            self._onlooker.close()
        self._publisher.close()


def sharing_of(store: Store, settings: Settings, failures: Failures, owner: str, counters: Segment) -> NotShared:
    """As ``settings`` say. Raises SettingsError."""
    if settings.redis_enabled and isinstance(store, MemoryStore | PublishedDirectory):
        return Shared(store, settings, failures, owner, counters)
    return NotShared(store)
