"""A prometheus_client registry with everything that the metrics endpoint shows."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from . import process
from .scrape.directory import DirectorySource
from .scrape.look import look_of
from .scrape.scraper import Scraper
from .scrape.source import SegmentSource
from .scrape.stores import source_of
from .settings import read_settings


class _Segments(Collector):
    """Reads the segments of this process's master, or of the directory that the settings name."""

    def __init__(self) -> None:
        self._place: object = None
        self._scraper: Scraper | None = None

    def collect(self) -> Iterable[Metric]:
        here = process.current()
        settings = here.settings or read_settings(os.environ)
        store = here.store
        place = store or settings.multiproc_dir
        if place is None:
            return ()
        if place != self._place or self._scraper is None:
            source: SegmentSource = DirectorySource(str(place)) if store is None else source_of(store)
            self._scraper = Scraper(source, **look_of(settings, given=here.settings is None))
            self._place = place
        return self._scraper.collect()


registry = CollectorRegistry()
"""For ``prometheus_client.generate_latest(registry)`` in an application that serves its metrics itself."""
registry.register(_Segments())
