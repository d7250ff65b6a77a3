"""What is in Redis, for programs: a dashboard of one's own, a test, an application that serves the fleet itself."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ..scrape.look import look_of
from ..scrape.scraper import Scraper
from ..settings import Settings, read_settings
from .view import fleet_of


class RedisStorageClient(Collector):
    """Reads the metrics that instances share through Redis, and writes nothing.

    ``settings`` are those of the environment and of `load_yaml_config` unless given; ``scope`` is ``instance``,
    ``node`` or ``fleet``, by default what they say, else ``fleet``. A collector for a prometheus_client registry, too.
    For one thread at a time. Raises SettingsError.
    """

    def __init__(self, settings: Settings | None = None, *, scope: str | None = None) -> None:
        settings = settings or read_settings(os.environ)
        self._fleet = fleet_of(settings, scope=scope or settings.redis_scope or "fleet")
        self._scraper = Scraper(self._fleet, **look_of(settings, given=True))

    def collect(self) -> Iterable[Metric]:
        """The families, as they are now. Raises RedisTrouble if Redis does not answer within the timeout."""
        self._fleet.refresh()
        return self._scraper.collect()

    def render(self, *, openmetrics: bool = False) -> bytes:
        """The same as an exposition: Prometheus text 0.0.4, or OpenMetrics 1.0. Raises RedisTrouble."""
        self._fleet.refresh()
        return self._scraper.render(openmetrics=openmetrics)

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that asks what there will be must not wait for Redis."""
        return ()
