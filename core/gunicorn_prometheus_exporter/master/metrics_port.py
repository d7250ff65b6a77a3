"""The metrics endpoint of a master."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client.core import Metric

from ..failures import Failures
from ..scrape.look import look_of
from ..scrape.readings import ReadingSource
from ..scrape.scraper import Scraper
from ..scrape.source import SegmentSource
from ..server.fork_gate import ForkGate
from ..server.listener import ListenerError
from ..server.service import MetricsService
from ..settings import Settings, SettingsError


class MetricsPort:
    """Serves the metrics of ``source`` as ``settings`` say. ``inherited`` is a listening descriptor, or -1.

    ``before_scrape`` and ``is_ready`` are called in the server's thread; the first must not raise. Each of
    ``extra`` gives families from this process's memory. Raises SettingsError.
    """

    def __init__(
        self,
        source: SegmentSource | ReadingSource,
        settings: Settings,
        failures: Failures,
        gate: ForkGate,
        inherited: int,
        *,
        before_scrape: Callable[[], None],
        is_ready: Callable[[], bool],
        extra: Sequence[Callable[[], Iterable[Metric]]] = (),
    ) -> None:
        self._source = source
        self._settings = settings
        self._failures = failures
        self._before_scrape = before_scrape
        self._extra = extra
        self._scraper = self._make_scraper()
        self._gate = gate
        self._inherited = inherited
        self._is_ready = is_ready
        # Where a sidecar serves, the files that are for that may not even be here.
        self._service = None if settings.sidecar_mode else self._make_service(settings)
        self._tried = False
        self._left_to_sidecar = False

    def open(self, log: Any) -> None:
        """Start serving. A port that cannot be had is said once, and the application is served without metrics."""
        if self._tried or self._service is None or self._left_to_sidecar:
            return
        self._tried = True
        try:
            self._service.open()
        except ListenerError as error:
            log.error("gunicorn-prometheus-exporter serves no metrics: %s", error)
            return
        log.info("Metrics at: %s", self._service.url)

    def follow(self, settings: Settings, log: Any) -> None:
        """Serve as the new ``settings`` say. If their port cannot be had, the old one stays."""
        old, self._settings = self._settings, settings
        if look_of(settings) != look_of(old):
            self._scraper = self._make_scraper()
        if settings.sidecar_mode:
            self.close()
            self._service = None
            return
        try:
            if self._service is None:
                self._service = self._make_service(settings)
            before = self._service.url
            self._service.follow(settings)
        except (ListenerError, SettingsError) as error:
            log.error("gunicorn-prometheus-exporter serves the metrics as it did before: %s", error)
            return
        if not self._service.is_open:
            # A port that could not be had may be free by now.
            self._tried = False
        elif self._service.url != before:
            log.info("Metrics at: %s", self._service.url)

    def leave_to_sidecar(self) -> None:
        """Serve nothing, whatever the settings say."""
        self._left_to_sidecar = True
        self.close()

    def fileno(self) -> int:
        """The descriptor of the listening socket, -1 if there is none."""
        return -1 if self._service is None else self._service.fileno()

    def close(self) -> None:
        """Stop serving, until the next `open`."""
        self._tried = False
        if self._service is not None:
            self._service.close()

    def abandon(self) -> None:
        """In a forked worker: let go of the port, which is the master's."""
        if self._service is not None:
            self._service.abandon()

    def _make_service(self, settings: Settings) -> MetricsService:
        inherited, self._inherited = self._inherited, -1
        return MetricsService(
            settings,
            self._render,
            is_ready=self._is_ready,
            gate=self._gate,
            on_failure=self._failures.count,
            inherited=inherited,
        )

    def _render(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        self._before_scrape()
        return self._scraper.render(openmetrics=openmetrics, names=names)

    def _make_scraper(self) -> Scraper:
        look = look_of(self._settings)
        return Scraper(self._source, **look, extra=self._extra, on_failure=self._failures.count)
