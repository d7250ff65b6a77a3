"""Gauges whose labels come and go, as any reader of the segments sees them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.catalogue import CATALOGUE
from gunicorn_prometheus_exporter.master.live_gauges import LiveGauges
from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.segments import Segments

BACKLOG = CATALOGUE["gunicorn_listener_backlog"]
LIMIT = CATALOGUE["gunicorn_listener_backlog_limit"]


def test_a_sample_goes_away(store: FileStore) -> None:
    """What is not kept is gone for our own scrape and for prometheus_client's, and can come back."""
    slot = store.slots.take("m")
    gauges = LiveGauges(Segments(store, slot.owner).get("gauge", "livemostrecent"))
    gauges.set(BACKLOG, 1.0, 100.0, "one")
    gauges.set(BACKLOG, 2.0, 100.0, "two")
    gauges.set(LIMIT, 9.0, 100.0, "two")
    gauges.keep_only(BACKLOG, [("one",)])
    assert _stock(store) == _ours(store) == {("gunicorn_listener_backlog", "one"): 1, (LIMIT.name, "two"): 9}
    gauges.set(BACKLOG, 3.0, 101.0, "two")
    assert _stock(store) == _ours(store)
    assert _ours(store)["gunicorn_listener_backlog", "two"] == 3


def _stock(store: FileStore) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=store.directory)  # type: ignore[no-untyped-call]
    return {(s.name, s.labels["listener"]): s.value for family in registry.collect() for s in family.samples}


def _ours(store: FileStore) -> dict[tuple[str, str], float]:
    families = Scraper(DirectorySource(store.directory)).collect()
    return {(s.name, s.labels["listener"]): s.value for f in families for s in f.samples if "listener" in s.labels}
