"""One contract for all that hold named doubles: in a file, in prometheus_client's own, and in memory for Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

import gunicorn_prometheus_exporter
from gunicorn_prometheus_exporter import RedisStorageDict, StorageDictProtocol, is_redis_enabled, process
from gunicorn_prometheus_exporter.process import Process
from gunicorn_prometheus_exporter.storage.contract import StorageDictContract, key
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.memory import MemoryStore, open_memory
from gunicorn_prometheus_exporter.storage.names import SegmentName
from gunicorn_prometheus_exporter.storage.segments import Segments


class TestFile(StorageDictContract):
    """A segment in a file."""

    @pytest.fixture(autouse=True)
    def _store(self, tmp_path: Path) -> None:
        self.store = FileStore(str(tmp_path), lambda *_: None, private=False, uid=0, gid=0)

    def open(self, name: str) -> StorageDictProtocol:
        return self.store.open_segment(SegmentName(name, "", "1"))


class TestMemory(StorageDictContract):
    """A segment in shared memory."""

    @pytest.fixture(autouse=True)
    def _store(self) -> Iterator[None]:
        self.store = open_memory(lambda *_: None)
        yield
        self.store.close()

    def open(self, name: str) -> StorageDictProtocol:
        return self.store.open_segment(SegmentName(name, "", "1"))


class TestPrometheusClient(StorageDictContract):
    """What the verbs come from."""

    @pytest.fixture(autouse=True)
    def _store(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def open(self, name: str) -> StorageDictProtocol:
        storage: StorageDictProtocol = MmapedDict(str(self.directory / f"{name}.db"))
        return storage


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStore]:
    """Memory that this process publishes, as a worker has it."""
    store = open_memory(lambda *_: None)
    here = Process()
    here.bind(store, Segments(store, "1"))
    monkeypatch.setattr(process, "_current", here)
    yield store
    store.close()


@pytest.mark.usefixtures("shared")
class TestRedis(StorageDictContract):
    """What reaches Redis."""

    def open(self, name: str) -> StorageDictProtocol:
        return RedisStorageDict(name)


def test_what_reaches_redis_is_in_the_memory_that_is_published(shared: MemoryStore) -> None:
    """In the segment of that kind and mode, of this process's owner."""
    RedisStorageDict("gauge", "sum").write_value(key(), 3.0, 0.0)
    assert shared.open_segment(SegmentName("gauge", "sum", "1")).read_value(key()) == (3.0, 0.0)


@pytest.mark.usefixtures("shared")
def test_a_closed_one() -> None:
    """Takes nothing more, and says so."""
    storage = RedisStorageDict("counter")
    storage.close()
    with pytest.raises(ValueError, match="closed"):
        storage.write_value(key(), 1.0, 0.0)


def test_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says what to do."""
    monkeypatch.setattr(process, "_current", Process())
    with pytest.raises(RuntimeError, match=r"REDIS_ENABLED.*setup_redis_metrics"):
        RedisStorageDict("counter").read_value(key())


def test_whether_redis_is_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment says, and as a master has it."""
    monkeypatch.setattr(process, "_current", Process())
    monkeypatch.delenv("REDIS_ENABLED", raising=False)
    assert not is_redis_enabled()
    monkeypatch.setenv("REDIS_ENABLED", "true")
    assert is_redis_enabled()


def test_the_names_do_not_need_the_library(tmp_path: Path) -> None:
    """They can be imported where redis-py is not installed."""
    (tmp_path / "redis.py").write_text("raise ImportError('hidden by a test')")
    core = Path(gunicorn_prometheus_exporter.__file__).parents[1]
    program = "from gunicorn_prometheus_exporter import RedisStorageDict, is_redis_enabled; print(is_redis_enabled())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(core)])}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
