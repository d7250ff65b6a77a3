"""The sampler's accounts, with workers that are this very process."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from gunicorn_prometheus_exporter.failures import Failures
from gunicorn_prometheus_exporter.master import sampler as sampler_module
from gunicorn_prometheus_exporter.master.sampler import Sampler
from gunicorn_prometheus_exporter.master.worker_probe import WorkerProbe, cpu_percent
from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.journal import BUSY_WORD, Journal, Phase
from gunicorn_prometheus_exporter.storage.segments import Segments

BUSY = "gunicorn_worker_busy_seconds_total"


class FakeWorker:
    """A worker whose process is the test's, with a journal that the test writes."""

    def __init__(self, store: FileStore, owner: str, phase: Phase | None = Phase.RUNNING) -> None:
        self.pid = os.getpid()
        self.prometheus_owner = owner
        self.prometheus_born = time.time() - 60
        self.journal: Journal = store.open_journal(owner, 1)
        self.journal.clear()
        if phase is not None:
            self.journal.enter(phase)

    def was_busy(self, seconds: float) -> None:
        self.journal.doubles[BUSY_WORD] = seconds


class Sampled:
    """A sampler and what it has written."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.messages: list[str] = []
        self.segments = Segments(store, store.slots.take("m").owner)
        self.failures = Failures(self.messages.append)
        self.sampler = Sampler(store, self.segments, self.failures, ForkGate(), Settings())
        self.arbiter: Any = SimpleNamespace(
            WORKERS={}, LISTENERS=[], num_workers=2, cfg=SimpleNamespace(reuse_port=False)
        )
        self.sampler._arbiter = self.arbiter

    def workers(self, *workers: FakeWorker) -> None:
        self.arbiter.WORKERS = dict(enumerate(workers))

    def busy(self, owner: str = "1") -> float:
        return self._find("counter", "", BUSY, f'"{owner}"')

    def state(self, state: str) -> float:
        return self._find("gauge", "livesum", "gunicorn_workers", f'"{state}"')

    def _find(self, kind: str, mode: str, name: str, label: str) -> float:
        values = self.segments.get(kind, mode).read_all_values()
        (value,) = [value for key, value, _ in values if f'"{name}"' in key and label in key]
        return value


@pytest.fixture
def sampled(store: FileStore) -> Sampled:
    return Sampled(store)


def test_busy_adds_up_over_the_workers_of_a_slot(sampled: Sampled) -> None:
    """What is new is added once, the last bit of a dead worker too, and nothing is ever taken away."""
    first = FakeWorker(sampled.store, "1")
    sampled.workers(first)
    sampled.sampler.sample()
    assert sampled.busy() == 0
    for seconds, total in ((2.0, 2.0), (2.0, 2.0), (3.5, 3.5), (3.0, 3.5)):
        first.was_busy(seconds)
        sampled.sampler.sample()
        assert sampled.busy() == total
    first.was_busy(4.0)
    sampled.workers()
    sampled.sampler.worker_gone(first)
    sampled.sampler.sample()
    sampled.sampler.sample()
    assert sampled.busy() == 4
    second = FakeWorker(sampled.store, "1")
    second.was_busy(0.5)
    sampled.workers(second)
    sampled.sampler.sample()
    assert sampled.busy() == 4.5


def test_a_worker_that_was_never_seen_alive(sampled: Sampled) -> None:
    """It lived between two samples, and is counted all the same."""
    worker = FakeWorker(sampled.store, "1")
    worker.was_busy(0.25)
    sampled.sampler.worker_gone(worker)
    sampled.sampler.sample()
    assert sampled.busy() == 0.25


def test_the_journal_of_the_next_worker(sampled: Sampled) -> None:
    """The slot has its next worker before the last one's end is known: what is in the journal is not the dead one's."""
    worker = FakeWorker(sampled.store, "1")
    sampled.workers(worker)
    worker.was_busy(1.0)
    sampled.sampler.sample()
    worker.pid += 1
    worker.was_busy(50.0)
    sampled.sampler.sample()
    sampled.sampler.worker_gone(worker)
    sampled.sampler.sample()
    assert sampled.busy() == 1


def test_nothing_is_written_before_the_worker_has_its_journal(sampled: Sampled) -> None:
    """It still has to discard what its slot's last worker left: what we wrote before would go with that."""
    worker = FakeWorker(sampled.store, "1", phase=None)
    sampled.workers(worker)
    sampled.sampler.sample()
    assert sampled.state("booting") == 1
    assert not [name for name in os.listdir(sampled.store.directory) if "_s1." in name]
    worker.journal.enter(Phase.BOOTING)
    sampled.sampler.sample()
    assert [name for name in os.listdir(sampled.store.directory) if "_s1." in name] == ["gauge_livemostrecent_s1.db"]


def test_processes_are_looked_at_now_and_then(sampled: Sampled, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often one scrapes: every half second, and at a new worker at once."""
    looks = []
    look = WorkerProbe.look_at_process
    monkeypatch.setattr(WorkerProbe, "look_at_process", lambda probe: (looks.append(probe.owner), look(probe)))
    first, second = FakeWorker(sampled.store, "1"), FakeWorker(sampled.store, "2")
    sampled.workers(first)
    for _ in range(5):
        sampled.sampler.sample()
    assert looks == ["1"]
    sampled.workers(first, second)
    sampled.sampler.sample()
    assert looks == ["1", "2"]
    monkeypatch.setattr(sampler_module, "_PROCESS_AGE_AT_SCRAPE", 0.0)
    sampled.sampler.sample(process_age=0.0)
    assert looks == ["1", "2", "1", "2"]


def test_what_fails_costs_only_itself(sampled: Sampled, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker that cannot be seen: the others are sampled, nothing is raised, and it is counted."""
    look = WorkerProbe.look

    def look_or_fail(probe: WorkerProbe) -> bool:
        if probe.owner == "1":
            raise OSError("no")
        return look(probe)

    monkeypatch.setattr(WorkerProbe, "look", look_or_fail)
    sampled.workers(FakeWorker(sampled.store, "1"), FakeWorker(sampled.store, "2"))
    sampled.sampler.sample()
    assert sampled.state("idle") == 1
    sampled.failures.flush()
    assert len(sampled.messages) == 1
    assert "sampler failed" in sampled.messages[0]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's list of descriptors")
def test_workers_come_and_go(sampled: Sampled) -> None:
    """No descriptor stays behind, neither here nor in a forked worker, which lets go of everything."""

    def live_one() -> None:
        worker = FakeWorker(sampled.store, "1")
        sampled.workers(worker)
        sampled.sampler.sample(process_age=0.0)
        sampled.workers()
        sampled.sampler.worker_gone(worker)
        sampled.sampler.sample()

    live_one()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        live_one()
    assert len(os.listdir("/proc/self/fd")) == before
    sampled.workers(FakeWorker(sampled.store, "1"))
    sampled.sampler.sample(process_age=0.0)
    sampled.sampler.abandon()
    sampled.workers()
    assert len(os.listdir("/proc/self/fd")) == before


def test_after_closing_nothing_is_touched(sampled: Sampled) -> None:
    """A last look, and then silence: the directory may be gone."""
    worker = FakeWorker(sampled.store, "1")
    worker.was_busy(1.0)
    sampled.workers(worker)
    sampled.sampler.close()
    assert sampled.busy() == 1
    worker.was_busy(2.0)
    sampled.sampler.sample()
    assert sampled.busy() == 1


def test_many_workers_cost_milliseconds(sampled: Sampled) -> None:
    """Sixty-four workers: what a scrape waits for."""
    sampled.workers(*[FakeWorker(sampled.store, str(owner)) for owner in range(1, 65)])
    sampled.sampler.sample()

    def timed(process_age: float) -> float:
        started = time.perf_counter()
        sampled.sampler.sample(process_age)
        return time.perf_counter() - started

    assert min(timed(process_age=1000.0) for _ in range(10)) < 0.005
    assert min(timed(process_age=0.0) for _ in range(10)) < 0.04


@pytest.mark.parametrize(("used", "elapsed", "percent"), [(0.5, 1.0, 50.0), (-1.0, 1.0, 0.0), (1.0, 0.0, 0.0)])
def test_cpu_percent(used: float, elapsed: float, percent: float) -> None:
    assert cpu_percent(used, elapsed) == percent
