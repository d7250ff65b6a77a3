"""The directory of the file store: what is made, kept, replaced and removed."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage import files
from gunicorn_prometheus_exporter.storage.files import FileStore, open_named, open_private
from gunicorn_prometheus_exporter.storage.names import SegmentName

Failures = list[tuple[str, BaseException]]
COUNTER = SegmentName("counter", "", "1")


def report(_component: str, _error: BaseException) -> None:
    raise AssertionError("a failure was reported")


def named(path: Path, *, cleanup: bool = True) -> FileStore:
    return open_named(str(path), report, cleanup=cleanup, uid=os.geteuid(), gid=os.getegid())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where private directories are made."""
    monkeypatch.setattr(files, "_private_root", lambda: str(tmp_path))
    return tmp_path


def private(*, cleanup: bool = True) -> FileStore:
    return open_private(report, cleanup=cleanup, uid=os.geteuid(), gid=os.getegid())


def test_a_named_directory_is_created(tmp_path: Path) -> None:
    """With its parents, if it is not there."""
    store = named(tmp_path / "a" / "b")
    store.open_segment(COUNTER).write_value('["a"]', 1.0, 0.0)
    assert (tmp_path / "a" / "b" / "counter_1.db").exists()
    store.close()
    assert (tmp_path / "a" / "b" / "counter_1.db").exists(), "a named directory belongs to its user"


def test_a_segment_continues(tmp_path: Path) -> None:
    """What an earlier owner left is there."""
    named(tmp_path).open_segment(COUNTER).write_value('["a"]', 1.0, 0.0)
    assert named(tmp_path).open_segment(COUNTER).read_value('["a"]') == (1.0, 0.0)


@pytest.mark.parametrize("content", [b"garbage", b"garbage!" * 10_000, b"\xff" * 9])
def test_a_corrupt_segment_is_replaced(tmp_path: Path, content: bytes) -> None:
    """By an empty one, and the loss is reported once."""
    failures: Failures = []
    store = open_named(
        str(tmp_path), lambda *failure: failures.append(failure), cleanup=True, uid=os.geteuid(), gid=os.getegid()
    )
    (tmp_path / "counter_1.db").write_bytes(content)
    store.open_segment(COUNTER).write_value('["a"]', 1.0, 0.0)
    assert [component for component, _ in failures] == ["storage"]
    assert store.open_segment(COUNTER).read_value('["a"]') == (1.0, 0.0)
    assert len(failures) == 1


def leave(path: Path) -> None:
    """What a dead master and its worker leave, and what others have there."""
    store = named(path)
    slots = [store.slots.take("m"), store.slots.take()]
    for owner in ("m1", "1", "s1"):
        store.open_segment(SegmentName("counter", "", owner))
    store.open_segment(SegmentName("info", "", "1"))
    store.open_journal("1", 1)
    for slot in slots:
        store.slots.let_go(slot)
    (path / "counter_4711.db").touch()
    (path / "notes.txt").touch()


def test_cleaning_up(tmp_path: Path) -> None:
    """What dead owners left goes; what belongs to others stays."""
    leave(tmp_path)
    named(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"counter_4711.db", "notes.txt", "directory.lock"}


def test_not_cleaning_up(tmp_path: Path) -> None:
    """Not if it is told not to, and not while anybody is alive there."""
    leave(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    alive = named(tmp_path, cleanup=False)
    assert {path.name for path in tmp_path.iterdir()} == before
    slot = alive.slots.take()
    named(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before
    alive.slots.let_go(slot)
    named(tmp_path)
    assert not (tmp_path / "counter_1.db").exists()


def test_a_private_directory(root: Path) -> None:
    """For its owner's eyes only, and gone with the master."""
    store = private()
    slot = store.slots.take("m")
    assert stat.S_IMODE(os.stat(store.directory).st_mode) == 0o700
    store.open_segment(COUNTER)
    store.slots.let_go(slot)
    store.close()
    assert list(root.iterdir()) == []


def test_a_private_directory_that_is_shared(root: Path) -> None:
    """After USR2 the last master that leaves removes it."""
    store = private()
    old = store.slots.take("m")
    heir = FileStore(store.directory, report, private=True, uid=os.geteuid(), gid=os.getegid())
    new = heir.slots.take("m")
    store.slots.let_go(old)
    store.close()
    assert os.path.isdir(store.directory)
    heir.slots.let_go(new)
    heir.close()
    assert list(root.iterdir()) == []


def test_private_directories_of_dead_masters(root: Path) -> None:
    """Are removed by the next one; those of the living, those just made and those of others are not."""
    dead, alive, fresh = private(cleanup=False), private(cleanup=False), private(cleanup=False)
    dead.slots.let_go(dead.slots.take("m"))
    slot = alive.slots.take("m")
    public = Path(tempfile.mkdtemp(prefix="gunicorn-prometheus-", dir=root))
    (public / "slot_m1.lock").touch()
    public.chmod(0o755)
    (root / "gunicorn-prometheus-link").symlink_to(alive.directory)
    private()
    assert not os.path.exists(dead.directory)
    assert os.path.exists(alive.directory)
    assert os.path.exists(fresh.directory)
    assert public.exists()
    alive.slots.let_go(slot)


def test_discard_live(tmp_path: Path) -> None:
    """What meant that a worker was alive goes, and no more."""
    store = named(tmp_path)
    for name in ("gauge_livesum_1", "gauge_max_1", "counter_1", "counter_s1", "gauge_all_s1", "gauge_livesum_2"):
        (tmp_path / f"{name}.db").touch()
    store.discard_live("1")
    left = {path.name for path in tmp_path.glob("*.db")}
    assert left == {"gauge_max_1.db", "counter_1.db", "gauge_livesum_2.db"}


def test_no_permission(tmp_path: Path) -> None:
    """A directory below a file cannot be made."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        named(tmp_path / "file" / "metrics")
