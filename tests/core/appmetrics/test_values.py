"""The application's values: private doubles until there is a segment, the slot's afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import prometheus_client.values
import pytest
from prometheus_client import Counter, Gauge, Histogram, Summary
from prometheus_client.mmap_dict import MmapedDict

from gunicorn_prometheus_exporter.appmetrics.values import AppValues
from gunicorn_prometheus_exporter.storage.files import FileStore, open_named
from gunicorn_prometheus_exporter.storage.segments import Segments

Failed = list[tuple[str, BaseException]]


@pytest.fixture
def failed() -> Failed:
    return []


@pytest.fixture
def values(failed: Failed, monkeypatch: pytest.MonkeyPatch) -> AppValues:
    """Values of which prometheus_client makes its metrics, until the end of the test."""
    values = AppValues(lambda component, error: failed.append((component, error)))
    monkeypatch.setattr(prometheus_client.values, "ValueClass", values._class)
    return values


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return open_named(str(tmp_path), lambda *_: None, cleanup=False, uid=0, gid=0)


def made(kind: Callable[..., Any], name: str, **options: Any) -> Any:
    return kind(name, "Help.", registry=None, **options)


def read(path: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(path))}


def test_what_happened_before_there_was_a_segment(values: AppValues, store: FileStore, tmp_path: Path) -> None:
    """Moves into it."""
    counter, gauge = made(Counter, "c"), made(Gauge, "g", multiprocess_mode="max")
    counter.inc(3)
    gauge.set(7)
    values.bind(Segments(store, "1"))
    counter.inc()
    assert list(read(tmp_path / "counter_1.db").values()) == [4]
    assert list(read(tmp_path / "gauge_max_1.db").values()) == [7]


def test_the_next_owner_continues(values: AppValues, store: FileStore, tmp_path: Path) -> None:
    """A counter goes on from what an earlier worker of the slot left; a gauge keeps it until it is set."""
    counter, gauge = made(Counter, "c"), made(Gauge, "g", multiprocess_mode="max")
    values.bind(Segments(store, "1"))
    counter.inc(5)
    gauge.set(9)
    values.after_fork(None)
    counter.inc(2)
    assert counter._value.get() == 2
    values.bind(Segments(store, "1"))
    assert list(read(tmp_path / "counter_1.db").values()) == [7]
    assert list(read(tmp_path / "gauge_max_1.db").values()) == [9]
    gauge.set(4)
    assert list(read(tmp_path / "gauge_max_1.db").values()) == [4]


def test_a_forked_child_leaves_its_parents_segments_alone(values: AppValues, store: FileStore, tmp_path: Path) -> None:
    """Until it has its own, it counts for itself."""
    counter = made(Counter, "c")
    values.bind(Segments(store, "1"))
    counter.inc(5)
    values.after_fork(None)
    counter.inc(100)
    assert list(read(tmp_path / "counter_1.db").values()) == [5]
    values.bind(Segments(store, "2"))
    assert list(read(tmp_path / "counter_1.db").values()) == [5]
    assert list(read(tmp_path / "counter_2.db").values()) == [100]


def test_late_binding(values: AppValues, store: FileStore, tmp_path: Path) -> None:
    """A process that the application forked takes segments when it first changes something, and only then."""
    counter, gauge = made(Counter, "c"), made(Gauge, "g", multiprocess_mode="max")
    asked: list[int] = []

    def find() -> Segments:
        asked.append(1)
        return Segments(store, "9")

    values.after_fork(find)
    assert counter._value.get() == 0
    assert not asked
    counter.inc(2)
    gauge.set(3)
    assert asked == [1]
    assert list(read(tmp_path / "counter_9.db").values()) == [2]
    assert list(read(tmp_path / "gauge_max_9.db").values()) == [3]


@pytest.mark.parametrize("bound", [False, True])
def test_threads_lose_nothing(values: AppValues, store: FileStore, bound: bool) -> None:
    """Increments of one counter by many threads, while it is bound too."""
    counter, summary = made(Counter, "c"), made(Summary, "s")
    if bound:
        values.bind(Segments(store, "1"))

    def work() -> None:
        for _ in range(5000):
            counter.inc()
            summary.observe(2)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    if not bound:
        values.bind(Segments(store, "1"))
    for thread in threads:
        thread.join()
    assert counter._value.get() == 20_000
    assert (summary._count.get(), summary._sum.get()) == (20_000, 40_000)


def test_labels_that_come_later(values: AppValues, store: FileStore, tmp_path: Path) -> None:
    """A label set that is new when the process is bound goes to the segment at once."""
    histogram = made(Histogram, "h", labelnames=["kind"], buckets=(1, 2))
    values.bind(Segments(store, "1"))
    histogram.labels("a").observe(1.5)
    assert sorted(read(tmp_path / "histogram_1.db").values()) == [0, 0, 1, 1.5]


def test_a_removed_metric_is_forgotten(values: AppValues) -> None:
    """Values go with the metric they belong to, so an application that makes and drops metrics does not leak."""
    import gc

    before = len(values._values)
    for number in range(100):
        made(Counter, f"c{number}").inc()
    gc.collect()
    assert len(values._values) == before


def test_a_segment_that_cannot_be_opened(values: AppValues, failed: Failed, store: FileStore, tmp_path: Path) -> None:
    """Is reported, and the application counts on without noticing."""
    (tmp_path / "counter_1.db").mkdir()
    counter = made(Counter, "c")
    values.bind(Segments(store, "1"))
    counter.inc(2)
    assert counter._value.get() == 2
    assert failed
    assert failed[0][0] == "app_metrics"


def test_metrics_that_existed_before(failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking over gives them values of ours with what they have counted, labelled ones too."""
    from prometheus_client import REGISTRY

    monkeypatch.setattr(prometheus_client.values, "ValueClass", prometheus_client.values.MutexValue)
    plain = Counter("test_before_plain", "Help.")
    labelled = Counter("test_before_labelled", "Help.", ["kind"])
    histogram = Histogram("test_before_histogram", "Help.", buckets=(1, 2))
    try:
        plain.inc(3)
        labelled.labels("a").inc(4)
        histogram.observe(1.5)
        child = labelled.labels("a")
        values = AppValues(lambda component, error: failed.append((component, error)))
        values.install()
        plain.inc()
        child.inc()
        histogram.observe(5)
        assert isinstance(plain._value, values._class)
        assert (plain._value.get(), labelled.labels("a")._value.get()) == (4, 5)
        assert histogram._sum.get() == 6.5
        assert [bucket.get() for bucket in histogram._buckets] == [0, 1, 1]
        assert not failed
    finally:
        for metric in (plain, labelled, histogram):
            REGISTRY.unregister(metric)
