"""The gthread pool's meter."""

from __future__ import annotations

import sys
import threading

import pytest

from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.segments import Segments
from gunicorn_prometheus_exporter.workers.pool import PoolMeter

NAMES = ("threads", "threads_busy", "pool_queue_length")


@pytest.fixture
def segments(store: FileStore) -> Segments:
    return Segments(store, "1")


def _gauges(segments: Segments) -> tuple[float, ...]:
    values = {key: value for key, value, _ in segments.get("gauge", "livesum").read_all_values()}
    return tuple(value for name in NAMES for key, value in values.items() if f'"gunicorn_worker_{name}"' in key)


def test_the_way_through_the_pool(segments: Segments) -> None:
    """A connection is in the queue, then with a thread, then nowhere; one that was refused was never there."""
    pool = PoolMeter(segments, 2, Settings())
    assert _gauges(segments) == (2, 0, 0)
    first, _ = pool.enqueue(), pool.enqueue()
    assert _gauges(segments) == (2, 0, 2)
    pool.start(first - 0.3)
    assert _gauges(segments) == (2, 1, 1)
    pool.withdraw()
    pool.end()
    assert _gauges(segments) == (2, 0, 0)
    waits = {key: value for key, value, _ in segments.get("histogram").read_all_values()}
    assert [value for key, value in waits.items() if '"0.5"' in key] == [1.0]
    assert [value for key, value in waits.items() if "_sum" in key] == [pytest.approx(0.3, abs=0.05)]


def test_threads_lose_nothing(segments: Segments) -> None:
    """Eight threads at once: every connection is counted, and nothing is left over."""
    pool = PoolMeter(segments, 8, Settings())

    def work() -> None:
        for _ in range(2000):
            pool.start(pool.enqueue())
            pool.end()

    threads = [threading.Thread(target=work) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert _gauges(segments) == (8, 0, 0)
    waits = segments.get("histogram").read_all_values()
    assert sum(value for key, value, _ in waits if "_bucket" in key) == 16_000
