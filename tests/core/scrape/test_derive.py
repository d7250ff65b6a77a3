from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.catalogue import DURATION_BUCKETS, LEGACY_DURATION_BUCKETS
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed, samples, value

HOME = {"method": "GET", "endpoint": "/"}
ITEM = {"method": "POST", "endpoint": "/items/<id>"}


def counter(owner: str, *entries: tuple[str, dict[str, str], float]) -> MemorySegment:
    return MemorySegment(
        f"counter_{owner}.db",
        packed(*[(key(name, f"{name}_total", labels), number) for name, labels, number in entries]),
    )


def durations(owner: str, labels: dict[str, str], total: float) -> MemorySegment:
    """A recorded histogram with 1 observation in its first bucket, 2 in its second, and so on."""
    name = "gunicorn_http_request_duration_seconds"
    bounds = [*map(str, DURATION_BUCKETS), "+Inf"]
    buckets = [
        (key(name, f"{name}_bucket", {**labels, "le": bound}), float(count)) for count, bound in enumerate(bounds, 1)
    ]
    return MemorySegment(f"histogram_{owner}.db", packed((key(name, f"{name}_sum", labels), total), *buckets))


def family(scraper: Scraper, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    found = samples(scraper.collect())[name]
    return {tuple(sorted(labels)): number for (_, labels), number in found.items()}


def test_requests_by_worker() -> None:
    """The sum over a slot's endpoints and statuses; what a master or an application recorded is nobody's request."""
    requests = "gunicorn_http_requests"
    scraper = Scraper(
        MemorySource(
            counter("1", (requests, {**HOME, "status": "200"}, 2.0), (requests, {**ITEM, "status": "404"}, 3.0)),
            counter("2", (requests, {**HOME, "status": "200"}, 10.0)),
            counter("3", ("app", {}, 7.0)),
            counter("m1", (requests, {**HOME, "status": "200"}, 100.0)),
        )
    )
    assert family(scraper, "gunicorn_worker_requests") == {(("worker_id", "1"),): 5.0, (("worker_id", "2"),): 10.0}
    assert value(scraper.collect(), "gunicorn_http_requests_total", **HOME, status="200") == 112.0


def test_durations_by_worker() -> None:
    """The legacy buckets take the recorded ones between them; sum and count are those of all endpoints."""
    scraper = Scraper(MemorySource(durations("1", HOME, 1.25)))
    found = samples(scraper.collect())["gunicorn_worker_request_duration_seconds"]
    buckets = {dict(labels)["le"]: number for (sample, labels), number in found.items() if sample.endswith("_bucket")}
    expected = {
        str(bound): float(sum(count for count, le in enumerate(DURATION_BUCKETS, 1) if le <= bound))
        for bound in LEGACY_DURATION_BUCKETS
    }
    everything = float(sum(range(1, len(DURATION_BUCKETS) + 2)))
    assert buckets == {**expected, "+Inf": everything}
    name = "gunicorn_worker_request_duration_seconds"
    assert value(scraper.collect(), f"{name}_count", worker_id="1") == everything
    assert value(scraper.collect(), f"{name}_sum", worker_id="1") == 1.25


def test_failed_and_handled() -> None:
    """Nobody handled it: failed. Somebody did: handled. What escaped to the server is both."""
    error = {**HOME, "error_type": "ValueError"}
    scraper = Scraper(
        MemorySource(
            counter(
                "4",
                ("gunicorn_http_exceptions", {**error, "handled": "false", "source": "flask"}, 1.0),
                ("gunicorn_http_exceptions", {**error, "handled": "false", "source": "wsgi"}, 2.0),
                ("gunicorn_http_exceptions", {**error, "handled": "true", "source": "flask"}, 4.0),
                ("gunicorn_http_escaped_exceptions", error, 2.0),
            )
        )
    )
    labels = tuple(sorted({**error, "worker_id": "4"}.items()))
    assert family(scraper, "gunicorn_worker_failed_requests") == {labels: 3.0}
    assert family(scraper, "gunicorn_worker_error_handling") == {labels: 6.0}
    assert b"escaped" not in scraper.render()


@pytest.mark.parametrize(
    ("reason", "restart_type"),
    [
        *[(reason, "graceful") for reason in ("max_requests", "reload", "scale_down", "shutdown")],
        *[
            (reason, "forced")
            for reason in ("timeout", "sigkill", "signal", "crash", "boot_error", "app_load_error", "unknown")
        ],
    ],
)
def test_restarts(reason: str, restart_type: str) -> None:
    """Exits of a slot, whichever masters recorded them, by reason and by how it came."""
    exits = "gunicorn_worker_slot_exits"
    scraper = Scraper(
        MemorySource(
            counter("m1", (exits, {"worker_id": "3", "reason": reason}, 2.0)),
            counter("m2", (exits, {"worker_id": "3", "reason": reason}, 1.0)),
        )
    )
    plain = tuple(sorted({"worker_id": "3", "reason": reason}.items()))
    typed = tuple(sorted({"worker_id": "3", "reason": reason, "restart_type": restart_type}.items()))
    assert family(scraper, "gunicorn_worker_restart") == {plain: 3.0}
    assert family(scraper, "gunicorn_worker_restart_count") == {typed: 3.0}
    assert family(scraper, "gunicorn_master_worker_restart_count") == {typed: 3.0}
    assert b"slot_exits" not in scraper.render()


def test_signals() -> None:
    """The signals that have to do with workers, by name."""
    signals = "gunicorn_master_signals"
    scraper = Scraper(
        MemorySource(counter("m1", (signals, {"signal": "hup"}, 2.0), (signals, {"signal": "winch"}, 1.0)))
    )
    assert family(scraper, "gunicorn_master_worker_restart") == {(("reason", "hup"),): 2.0}


def test_derived_values_follow_the_recorded_ones() -> None:
    """What is kept between scrapes is where things are, not what they were."""
    requests = "gunicorn_http_requests"
    segment = counter("1", (requests, {**HOME, "status": "200"}, 2.0))
    scraper = Scraper(MemorySource(segment))
    assert value(scraper.collect(), "gunicorn_worker_requests_total", worker_id="1") == 2.0
    segment.data = counter(
        "1", (requests, {**HOME, "status": "200"}, 3.0), (requests, {**ITEM, "status": "200"}, 4.0)
    ).data
    assert value(scraper.collect(), "gunicorn_worker_requests_total", worker_id="1") == 7.0


def test_without_legacy_families() -> None:
    """Neither derived nor sampled ones are there, and what they would come from is as before."""
    segments = [
        counter("1", ("gunicorn_http_requests", {**HOME, "status": "200"}, 2.0)),
        MemorySegment(
            "gauge_sum_m1.db",
            packed((key("gunicorn_worker_memory_bytes", "gunicorn_worker_memory_bytes", {"worker_id": "1"}), 1.0)),
        ),
    ]
    names = samples(Scraper(MemorySource(*segments)).collect()).keys()
    assert {"gunicorn_http_requests", "gunicorn_worker_requests", "gunicorn_worker_memory_bytes"} <= names
    reduced = samples(Scraper(MemorySource(*segments), legacy=False).collect()).keys()
    assert names - reduced == {"gunicorn_worker_requests", "gunicorn_worker_memory_bytes"}
