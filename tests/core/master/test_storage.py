"""Which storage a master has."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gunicorn_prometheus_exporter.master import storage
from gunicorn_prometheus_exporter.master.handover import Handover
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage import files
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.memory import MemoryStore
from gunicorn_prometheus_exporter.storage.published import PublishedDirectory

CFG = SimpleNamespace(uid=os.geteuid(), gid=os.getegid())
WITH_REDIS = Settings(redis_enabled=True, multiproc_dir="/nowhere/at/all")


def report(_component: str, _error: BaseException) -> None:
    raise AssertionError("a failure was reported")


def opened(settings: Settings, left: Handover | None = None) -> FileStore | MemoryStore:
    return storage.open_store(settings, CFG, left or Handover(), report)


def test_a_directory(tmp_path: Path) -> None:
    """The one that is named."""
    store = opened(Settings(multiproc_dir=str(tmp_path / "metrics")))
    assert isinstance(store, FileStore)
    assert store.directory == str(tmp_path / "metrics")
    assert storage.what_to_leave(store, 5) == Handover(listener=5), "a named one is found by its name"


def test_memory_with_redis() -> None:
    """And no directory, named or not; the successor gets the memory."""
    store = opened(WITH_REDIS)
    assert isinstance(store, MemoryStore)
    left = storage.what_to_leave(store, 5)
    assert left == Handover(listener=5, memory=store.fileno())
    heir = opened(WITH_REDIS, Handover(memory=os.dup(store.fileno())))
    assert isinstance(heir, MemoryStore)
    assert heir.incarnation == store.incarnation
    heir.close()
    store.close()


def test_where_there_is_no_such_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private directory is beneath Redis, and the successor gets that."""
    monkeypatch.setattr(files, "_private_root", lambda: str(tmp_path))
    monkeypatch.delattr(os, "memfd_create")
    store = opened(WITH_REDIS)
    assert isinstance(store, PublishedDirectory)
    left = storage.what_to_leave(store, -1)
    heir = opened(WITH_REDIS, left)
    assert isinstance(heir, PublishedDirectory)
    assert heir.incarnation == store.incarnation
    slot = store.slots.take("m")
    assert not store.is_shared(slot.owner)
    other = heir.slots.take("m")
    assert store.is_shared(slot.owner)
    store.slots.let_go(slot)
    store.close()
    heir.slots.let_go(other)
    heir.close()
    assert list(tmp_path.iterdir()) == []
