"""The view of many instances that an endpoint serves, whatever Redis does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from ..catalogue import CATALOGUE
from ..settings import Settings
from .connection import RedisConnection, RedisTrouble
from .fleet import Fleet
from .instance import instance_name
from .layout import Keys

_LOOK_LASTS: Final = 5.0
_UP: Final = CATALOGUE["gunicorn_exporter_redis_up"]


def fleet_of(settings: Settings, *, scope: str) -> Fleet:
    """What ``scope`` takes in: ``instance``, ``node`` or ``fleet``. Raises SettingsError."""
    return Fleet(
        RedisConnection(settings),
        Keys(settings.redis_key_prefix),
        node=settings.node_name if scope == "node" else None,
        instance=instance_name(settings) if scope == "instance" else None,
        by_instance=settings.redis_instance_label,
        ttl=None if settings.redis_ttl_disabled else float(settings.redis_ttl_seconds),
    )


class View:
    """Shows ``fleet``: as it is now if Redis answers, else as it was.

    ``failed`` is told of each look that failed; ``announce``, in a line, when Redis goes and when it is back. For one
    thread at a time.
    """

    def __init__(self, fleet: Fleet, failed: Callable[[], object], announce: Callable[[str], object]) -> None:
        self.fleet = fleet
        self._failed = failed
        self._announce = announce
        self._is_up = True
        self._gone_since = 0.0
        self._looked_at = -_LOOK_LASTS

    def refresh(self) -> bool:
        """Look at Redis. Returns whether it has answered, and raises nothing because it has not."""
        self._looked_at = time.monotonic()
        try:
            self.fleet.refresh()
        except RedisTrouble as error:
            self._failed()
            if self._is_up:
                self._is_up, self._gone_since = False, time.monotonic()
                self._announce(f"Redis cannot be read, and the metrics stay as they were: {error}")
        else:
            if not self._is_up:
                self._is_up = True
                self._announce(f"Redis can be read again, after {time.monotonic() - self._gone_since:.0f} s.")
        return self._is_up

    def is_readable(self) -> bool:
        """Whether Redis has answered lately. Anybody may ask that as often as they like."""
        return self._is_up if time.monotonic() - self._looked_at < _LOOK_LASTS else self.refresh()

    def metrics(self) -> Iterable[Metric]:
        """Whether Redis has answered last time."""
        yield GaugeMetricFamily(_UP.name, _UP.help, float(self._is_up))
