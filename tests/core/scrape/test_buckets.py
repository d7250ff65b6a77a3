"""Histograms whose buckets have changed, or differ from process to process."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gunicorn_prometheus_exporter.catalogue import BY_WORKER, CATALOGUE, OTEL
from gunicorn_prometheus_exporter.scrape.buckets import BucketsShown, buckets_shown
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.settings.buckets import Buckets
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed, samples

DURATION = "gunicorn_http_request_duration_seconds"
BY = "gunicorn_worker_request_duration_seconds"
OLD, NEW = ("0.1", "0.25", "0.5", "+Inf"), ("0.1", "0.3", "1.0", "+Inf")


def settings(*bounds: float) -> Settings:
    return Settings(buckets=(Buckets(DURATION, bounds),))


def segment(owner: str, histograms: Iterable[tuple[str, tuple[str, ...], float]]) -> MemorySegment:
    """Histograms with one observation in each bucket: endpoint, bounds, sum."""
    entries = []
    for endpoint, bounds, total in histograms:
        labels = {"method": "GET", "endpoint": endpoint}
        entries += [(key(DURATION, f"{DURATION}_bucket", {**labels, "le": bound}), 1.0) for bound in bounds]
        entries.append((key(DURATION, f"{DURATION}_sum", labels), total))
    return MemorySegment(f"histogram_{owner}.db", packed(*dict(entries).items()))


def shown(buckets: BucketsShown, *segments: MemorySegment, name: str = DURATION) -> dict[str, dict[str, float]]:
    """The samples by endpoint, or worker, then by ``le``; ``count`` and ``sum`` among them."""
    found: dict[str, dict[str, float]] = {}
    for (sample, labels), value in samples(Scraper(MemorySource(*segments), buckets=buckets).collect())[name].items():
        of = dict(labels)
        part = of.get("le", sample.removeprefix(f"{name}_"))
        found.setdefault(of.get("endpoint", of.get("worker_id", "")), {})[part] = value
    return found


def test_a_segment_with_both_and_one_with_the_old_ones() -> None:
    """Every observation is in a bucket that it belongs to, and each endpoint has the same buckets."""
    segments = segment("1", [("/", tuple(dict.fromkeys([*OLD, *NEW])), 2.0)]), segment("2", [("/old", OLD, 3.0)])
    assert shown(buckets_shown(settings(0.1, 0.3, 1.0)), *segments) == {
        "/": {"0.1": 1, "0.3": 3, "1.0": 5, "+Inf": 6, "count": 6, "sum": 2},
        "/old": {"0.1": 1, "0.3": 2, "1.0": 3, "+Inf": 4, "count": 4, "sum": 3},
    }


def test_buckets_that_were_never_recorded_are_there() -> None:
    """Otherwise a sum over endpoints would fall from one bucket to the next."""
    found = shown(buckets_shown(settings(0.05, 0.3, 7.0)), segment("1", [("/", OLD, 1.0)]))
    assert found["/"] == {"0.05": 0, "0.3": 2, "7.0": 3, "+Inf": 4, "count": 4, "sum": 1}


def test_by_worker() -> None:
    """The derived family has those of its bounds that are recorded, with nothing in a bucket that it is not in."""
    segments = segment("1", [("/", OLD, 2.0), ("/x", OLD, 1.0)]), segment("2", [("/", NEW, 3.0)])
    assert shown(buckets_shown(settings(0.1, 0.3, 1.0)), *segments, name=BY) == {
        "1": {"0.1": 2, "1.0": 6, "+Inf": 8, "count": 8, "sum": 3},
        "2": {"0.1": 1, "1.0": 3, "+Inf": 4, "count": 4, "sum": 3},
    }


def test_who_knows_no_settings_shows_what_there_is() -> None:
    """A sidecar, say: all buckets; and by worker only the documented ones that were recorded."""
    segments = segment("1", [("/", OLD, 2.0)]), segment("2", [("/b", NEW, 3.0)])
    assert buckets_shown(Settings(), given=True) == {}
    assert shown({}, *segments) == {
        "/": {"0.1": 1, "0.25": 2, "0.5": 3, "+Inf": 4, "count": 4, "sum": 2},
        "/b": {"0.1": 1, "0.3": 2, "1.0": 3, "+Inf": 4, "count": 4, "sum": 3},
    }
    assert shown({}, *segments, name=BY) == {
        "1": {"0.1": 1, "0.5": 3, "+Inf": 4, "count": 4, "sum": 2},
        "2": {"0.1": 1, "1.0": 3, "+Inf": 4, "count": 4, "sum": 3},
    }


@pytest.mark.parametrize("given", [True, False])
def test_what_is_shown_with_which_buckets(given: bool) -> None:
    found = buckets_shown(settings(0.1, 0.3, 1.0), given=given)
    histograms = {family.name for family in CATALOGUE.values() if family.kind == "histogram"}
    assert found.keys() - OTEL.keys() == ({DURATION, BY} if given else histograms)
    assert found["http_server_request_duration_seconds"] == found[DURATION]
    assert found[BY] == (0.1, 1.0, float("inf"))
    if not given:
        assert all(found[name][:-1] == CATALOGUE[name].buckets for name in histograms - {DURATION, BY})
        assert BY_WORKER.keys() < found.keys()


def test_values_that_move_while_buckets_change() -> None:
    """A counter of a bucket that both have goes on where it was."""
    old, source = buckets_shown(settings(0.1, 0.25, 0.5)), MemorySource(segment("1", [("/", OLD, 2.0)]))
    before = {k: v for k, v in shown(old, *source.segments)["/"].items() if k in {"0.1", "+Inf", "count", "sum"}}
    after = shown(buckets_shown(settings(0.1, 0.3, 1.0)), *source.segments)["/"]
    assert before.items() <= after.items()
