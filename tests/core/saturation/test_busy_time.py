"""How long a worker was busy, as another process reads it from the journal at any moment."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from gunicorn_prometheus_exporter.recorder import recorder as recorder_module
from gunicorn_prometheus_exporter.recorder.recorder import Recorder
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage import journal as journal_module
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.segments import Segments


class Clock:
    """Time that passes when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(recorder_module, "monotonic", lambda: self.now)
        monkeypatch.setattr(journal_module.time, "monotonic", lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class Worker:
    """A recorder, and its journal as a master sees it."""

    def __init__(self, store: FileStore) -> None:
        self.recorder = Recorder(Segments(store, "1"), store.open_journal("1", 4), Settings())
        self.seen = store.open_journal("1", 1)

    def begin(self) -> Any:
        body = SimpleNamespace(reader=SimpleNamespace(length=0), read=io.BytesIO().read)
        response = Response()
        return self.recorder.begin(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": body}, response.start_response
        )

    def finish(self, request: Any) -> None:
        self.recorder.finish(request, None)


class Response:
    status_code = 200
    sent = 0
    req = None

    def start_response(self, *arguments: Any) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def worker(store: FileStore, clock: Clock) -> Worker:
    return Worker(store)


def test_one_request(worker: Worker, clock: Clock) -> None:
    """Busy seconds advance while the request runs, and then no more."""
    assert worker.seen.busy_seconds() == (0.0, False)
    request = worker.begin()
    clock.pass_by(5)
    assert worker.seen.busy_seconds() == (5.0, True)
    clock.pass_by(2)
    worker.finish(request)
    clock.pass_by(100)
    assert worker.seen.busy_seconds() == (7.0, False)


def test_overlapping_requests(worker: Worker, clock: Clock) -> None:
    """From the first one's start to the last one's end, each second once; gaps do not count."""
    first = worker.begin()
    clock.pass_by(3)
    second = worker.begin()
    clock.pass_by(3)
    worker.finish(first)
    clock.pass_by(3)
    assert worker.seen.busy_seconds() == (9.0, True)
    worker.finish(second)
    clock.pass_by(10)
    third = worker.begin()
    clock.pass_by(1)
    assert worker.seen.busy_seconds() == (10.0, True)
    worker.finish(third)
    assert worker.seen.busy_seconds() == (10.0, False)


def test_a_held_worker(worker: Worker, clock: Clock) -> None:
    """A sync worker is busy with its connection, request or not, and holding twice is holding once."""
    worker.recorder.release()
    worker.recorder.hold()
    clock.pass_by(1)
    worker.recorder.hold()
    request = worker.begin()
    clock.pass_by(1)
    worker.finish(request)
    clock.pass_by(1)
    assert worker.seen.busy_seconds() == (3.0, True)
    worker.recorder.release()
    clock.pass_by(1)
    assert worker.seen.busy_seconds() == (3.0, False)


def test_the_next_worker_starts_from_nothing(store: FileStore, worker: Worker, clock: Clock) -> None:
    """Its predecessor was killed while busy: what it leaves in the journal is not the next one's."""
    worker.begin()
    clock.pass_by(4)
    next_one = Worker(store)
    next_one.recorder.recover_all()
    assert next_one.seen.busy_seconds() == (0.0, False)
