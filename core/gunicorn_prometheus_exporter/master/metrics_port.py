"""The metrics endpoint of a master."""

from __future__ import annotations

from typing import Any

from ..failures import Failures
from ..scrape.directory import DirectorySource
from ..scrape.scraper import Scraper
from ..server.endpoint import MetricsEndpoint
from ..server.fork_gate import ForkGate
from ..server.listener import ListenerError, adopt_listener, open_listener
from ..server.loop import MetricsServer
from ..settings import Settings


class MetricsPort:
    """Serves the metrics in ``directory`` as ``settings`` say. ``inherited`` is a listening descriptor, or -1."""

    def __init__(self, directory: str, settings: Settings, failures: Failures, inherited: int) -> None:
        self._settings = settings
        self._failures = failures
        self._inherited = inherited
        self._scraper = Scraper(DirectorySource(directory), legacy=settings.legacy_metrics)
        self._server: MetricsServer | None = None
        self._tried = False

    def open(self, log: Any) -> None:
        """Start serving. A port that cannot be had is said once, and the application is served without metrics."""
        if self._tried or self._settings.sidecar_mode:
            return
        self._tried = True
        address, port = self._settings.bind_address, self._settings.metrics_port
        try:
            listener = adopt_listener(self._inherited, address, port) if self._inherited >= 0 else None
            if listener is None:
                listener = open_listener(address, port)
        except ListenerError as error:
            log.error("gunicorn-prometheus-exporter serves no metrics: %s", error)
            return
        self._server = MetricsServer(
            listener, MetricsEndpoint(self._scraper.render), gate=ForkGate(), on_failure=self._failures.count
        )
        self._server.start()
        log.info("Metrics at: http://%s:%s/metrics", address, port)

    def fileno(self) -> int:
        """The descriptor of the listening socket, -1 if there is none."""
        return -1 if self._server is None else self._server.fileno()

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def abandon(self) -> None:
        """In a forked worker: let go of the port, which is the master's."""
        if self._server is not None:
            self._server.abandon()
            self._server = None
