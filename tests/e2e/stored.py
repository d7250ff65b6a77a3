"""What is counted about a master: scraped while its workers come and go, or stored, as a sidecar sees it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn, wait_until


def stored_in(directory: Path) -> Exposition:
    """The exposition of ``directory``."""
    return Exposition(Scraper(DirectorySource(str(directory))).render(openmetrics=True).decode(), openmetrics=True)


def stored_by(server: Gunicorn) -> Exposition:
    """What ``server`` leaves in its directory."""
    assert server.directory is not None
    return stored_in(server.directory)


def reasons(exposition: Exposition) -> dict[str, float]:
    """How many workers ended for which reason, without those for which none did."""
    return {s.labels["reason"]: s.value for s in exposition.samples("gunicorn_worker_exits_total") if s.value}


def signals(exposition: Exposition) -> dict[str, float]:
    """How many of each signal the master has handled, SIGCHLD aside: the kernel may join several of these."""
    found = exposition.samples("gunicorn_master_signals_total")
    return {s.labels["signal"]: s.value for s in found if s.value and s.labels["signal"] != "chld"}


def scraped(server: Gunicorn, fact: Callable[[Exposition], object], timeout: float = 10.0) -> Exposition:
    """The first exposition for which ``fact`` is true. In one format only: between two scrapes a worker may go."""

    def look() -> Exposition | None:
        seen = server.scrape_once()
        return seen if fact(seen) else None

    return wait_until(look, timeout, "a fact in an exposition") or server.scrape_once()
