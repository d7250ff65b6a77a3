"""An exporter without a Gunicorn: serves what Gunicorn servers have stored, in a shared directory or in Redis."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, Metric

from .catalogue import CATALOGUE
from .failures import Failures
from .scrape.directory import DirectorySource
from .scrape.look import look_of
from .scrape.readings import ReadingSource
from .scrape.scraper import Scraper
from .scrape.source import SegmentSource
from .server.fork_gate import ForkGate
from .server.service import MetricsService
from .settings import Settings, SettingsError

COMPONENT: Final = "serve"
_ERRORS: Final = CATALOGUE["gunicorn_exporter_errors"]

logger = logging.getLogger("gunicorn_prometheus_exporter")

OnFailure = Callable[[str, BaseException], None]


class Stored(Protocol):
    """Where the metrics are."""

    @property
    def source(self) -> SegmentSource | ReadingSource: ...

    def refresh(self) -> object:
        """Look what is there now, before a scrape."""

    def is_readable(self) -> bool:
        """Whether that is possible."""

    def metrics(self) -> Iterable[Metric]:
        """What is to be told about it."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class StoredInDirectory:
    """The segment files in a directory that Gunicorn's masters write to."""

    def __init__(self, path: str) -> None:
        self.source = DirectorySource(path)

    def refresh(self) -> None:
        pass

    def is_readable(self) -> bool:
        try:
            self.source.scan()
        except OSError:
            return False
        return True

    def metrics(self) -> Iterable[Metric]:
        return ()

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


class StoredInRedis:
    """What instances share through Redis, and the retiring of those that are gone."""

    def __init__(self, settings: Settings, on_failure: OnFailure, failed: Callable[[], object]) -> None:
        from .redis.caretaker import Caretaker
        from .redis.view import View, fleet_of

        fleet = fleet_of(settings, scope=settings.redis_scope or "fleet")
        self._view = View(fleet, failed, logger.warning)
        self._caretaker = Caretaker(settings, on_failure, logger.warning)
        self.source = fleet
        self.refresh = self._view.refresh
        self.is_readable = self._view.is_readable
        self.metrics = self._view.metrics
        self.start = self._caretaker.start
        self.close = self._caretaker.close


class Standalone:
    """The exporter that ``settings`` describe. Raises SettingsError."""

    def __init__(self, settings: Settings) -> None:
        self._failures = Failures(logger.error)
        self._failed = 0
        self._counting = threading.Lock()
        self._failures.send_to(lambda component: self._count_failure())
        self._stored = self._find(settings)
        self._scraper = Scraper(
            self._stored.source,
            **look_of(settings, given=True),
            extra=[self._stored.metrics, self._errors],
            on_failure=self._failures.report,
        )
        self._service = MetricsService(
            settings,
            self._render,
            is_ready=self._stored.is_readable,
            gate=ForkGate(),
            on_failure=self._failures.report,
        )

    def run(self, wait: Callable[[], object]) -> None:
        """Serve until ``wait`` returns. Raises ListenerError."""
        self._service.open()
        self._stored.start()
        logger.info("Metrics at: %s", self._service.url)
        try:
            wait()
        finally:
            self._service.close()
            self._stored.close()

    def _find(self, settings: Settings) -> Stored:
        if settings.redis_enabled:
            return StoredInRedis(settings, self._failures.report, self._count_failure)
        if settings.multiproc_dir is not None:
            return StoredInDirectory(settings.multiproc_dir)
        allowed = "the directory that Gunicorn's metrics are in, and Redis is off (REDIS_ENABLED)"
        raise SettingsError([settings.problem("multiproc_dir", allowed)])

    def _count_failure(self) -> None:
        with self._counting:
            self._failed += 1

    def _render(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        self._stored.refresh()
        return self._scraper.render(openmetrics=openmetrics, names=names)

    def _errors(self) -> Iterable[Metric]:
        """This process's own failures: apart from those of the servers, whose sum must not fall when it restarts."""
        family = CounterMetricFamily(_ERRORS.name, _ERRORS.help, labels=_ERRORS.labels)
        family.add_metric([COMPONENT], float(self._failed))
        yield family
