"""What somebody else has put into the metrics directory under our names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.locks import is_held, try_lock
from gunicorn_prometheus_exporter.storage.names import SegmentName
from tests.core.scrape.segments import key, packed

SECRET = b"root:x:0:0"


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "metrics"
    path.mkdir()
    return path


@pytest.fixture
def store(directory: Path, failures: list[BaseException]) -> FileStore:
    uid, gid = (12345, 12345) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return FileStore(str(directory), lambda _, error: failures.append(error), private=False, uid=uid, gid=gid)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


def open_all(store: FileStore) -> None:
    store.open_segment(SegmentName("counter", "", "1")).close()
    store.open_journal("1", 1)


@pytest.mark.parametrize("name", ["counter_1.db", "journal_1.bin"])
def test_another_name_of_a_file(
    store: FileStore, directory: Path, secret: Path, failures: list[BaseException], name: str
) -> None:
    """A hard link is replaced, and what it was a name of keeps its content and its owner."""
    (directory / name).hardlink_to(secret)
    open_all(store)
    assert secret.read_bytes() == SECRET
    assert secret.stat().st_uid == os.geteuid()
    assert secret.stat().st_nlink == 1
    assert len(failures) == 1


@pytest.mark.parametrize("name", ["counter_1.db", "journal_1.bin"])
def test_a_symbolic_link(store: FileStore, directory: Path, secret: Path, name: str) -> None:
    """... is not followed: the storage fails, as it does where it may not write."""
    (directory / name).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        open_all(store)
    assert secret.read_bytes() == SECRET


@pytest.mark.parametrize("name", ["counter_1.db", "journal_1.bin"])
def test_a_pipe(store: FileStore, directory: Path, name: str) -> None:
    """... keeps nobody waiting."""
    os.mkfifo(directory / name)
    open_all(store)
    assert (directory / name).is_file()


def test_locks(store: FileStore, directory: Path, secret: Path) -> None:
    """A lock that is a link or a pipe gives nothing away and keeps nobody waiting."""
    (directory / "slot_1.lock").hardlink_to(secret)
    store.slots.let_go(store.slots.take())
    assert secret.stat().st_uid == os.geteuid()
    os.mkfifo(directory / "slot_2.lock")
    assert not is_held(str(directory / "slot_2.lock"))
    fd = try_lock(str(directory / "slot_2.lock"))
    assert fd is not None
    os.close(fd)


def test_what_a_scrape_reads(directory: Path, secret: Path) -> None:
    """Links, pipes, directories and files too large are passed over; a file that looks like a segment is read: who may
    write into the directory may say what the metrics are."""
    (directory / "counter_1.db").symlink_to(secret)
    os.mkfifo(directory / "counter_2.db")
    (directory / "counter_3.db").mkdir()
    with (directory / "counter_4.db").open("wb") as file:
        file.write(b"\xf8\xff\xff\x7f")
        file.truncate(1 << 40)
    (directory / "counter_5.db").write_bytes(packed((key("forged", "forged_total"), 5.0)))
    page = Scraper(DirectorySource(str(directory)), legacy=False).render(openmetrics=False, names=()).decode()
    assert "forged_total 5.0" in page
    assert "root:x" not in page


def test_a_file_that_is_cut_while_it_is_read(directory: Path) -> None:
    """A reader survives that; it never maps what others may truncate."""
    path = directory / "counter_1.db"
    sound = packed((key("a", "a_total"), 1.0))
    scraper = Scraper(DirectorySource(str(directory)), legacy=False)
    for length in (len(sound), 20, 0, len(sound)):
        path.write_bytes(sound)
        os.truncate(path, length)
        page = scraper.render(openmetrics=False, names=()).decode()
        assert ("a_total 1.0" in page) == (length == len(sound))
