"""The metrics endpoint of a master."""

from __future__ import annotations

import socket
from collections.abc import Callable
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
    """Serves the metrics in ``directory`` as ``settings`` say. ``inherited`` is a listening descriptor, or -1.

    ``before_scrape`` is called in the server's thread, and must not raise.
    """

    def __init__(
        self, directory: str, settings: Settings, failures: Failures, inherited: int, before_scrape: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._failures = failures
        self._inherited = inherited
        self._before_scrape = before_scrape
        self._scraper = self._make_scraper()
        self._server: MetricsServer | None = None
        self._tried = False
        self._left_to_sidecar = False

    def open(self, log: Any) -> None:
        """Start serving. A port that cannot be had is said once, and the application is served without metrics."""
        if self._tried or self._settings.sidecar_mode or self._left_to_sidecar:
            return
        self._tried = True
        try:
            listener = self._listen()
        except ListenerError as error:
            log.error("gunicorn-prometheus-exporter serves no metrics: %s", error)
            return
        self._serve(listener, log)

    def follow(self, settings: Settings, log: Any) -> None:
        """Serve as the new ``settings`` say. If their port cannot be had, the old one stays."""
        old, self._settings = self._settings, settings
        if settings.legacy_metrics != old.legacy_metrics:
            self._scraper = self._make_scraper()
        if settings.sidecar_mode:
            self.close()
            return
        if self._server is None:
            # A port that could not be had may be free by now.
            self._tried = False
            return
        if (settings.bind_address, settings.metrics_port) == (old.bind_address, old.metrics_port):
            return
        try:
            listener = self._listen()
        except ListenerError as error:
            log.error("gunicorn-prometheus-exporter serves the metrics where it did before: %s", error)
            return
        self.close()
        self._serve(listener, log)

    def leave_to_sidecar(self) -> None:
        """Serve nothing, whatever the settings say."""
        self._left_to_sidecar = True
        self.close()

    def fileno(self) -> int:
        """The descriptor of the listening socket, -1 if there is none."""
        return -1 if self._server is None else self._server.fileno()

    def close(self) -> None:
        """Stop serving, until the next `open`."""
        self._tried = False
        if self._server is not None:
            self._server.stop()
            self._server = None

    def abandon(self) -> None:
        """In a forked worker: let go of the port, which is the master's."""
        if self._server is not None:
            self._server.abandon()
            self._server = None

    def _listen(self) -> socket.socket:
        address, port = self._settings.bind_address, self._settings.metrics_port
        inherited, self._inherited = self._inherited, -1
        listener = adopt_listener(inherited, address, port) if inherited >= 0 else None
        return open_listener(address, port) if listener is None else listener

    def _serve(self, listener: socket.socket, log: Any) -> None:
        self._tried = True
        self._server = MetricsServer(
            listener, MetricsEndpoint(self._render), gate=ForkGate(), on_failure=self._failures.count
        )
        self._server.start()
        log.info("Metrics at: http://%s:%s/metrics", self._settings.bind_address, self._settings.metrics_port)

    def _render(self, *, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        self._before_scrape()
        return self._scraper.render(openmetrics=openmetrics, names=names)

    def _make_scraper(self) -> Scraper:
        return Scraper(
            DirectorySource(self._directory), legacy=self._settings.legacy_metrics, on_failure=self._failures.count
        )
