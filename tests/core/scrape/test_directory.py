from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.scrape.source import LARGEST_SEGMENT, UnreadableSegment
from gunicorn_prometheus_exporter.storage.locks import try_lock
from tests.core.scrape.segments import key, packed, value, write


def names(directory: Path) -> set[str]:
    return {segment.name.filename for segment in DirectorySource(str(directory)).scan()}


def alive(source: DirectorySource) -> dict[str, bool]:
    return {segment.name.filename: segment.alive for segment in source.scan()}


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_finds_segments_only(tmp_path: Path) -> None:
    """Locks, journals, directories, links and pipes are no segments, whatever they are called."""
    for filename in ("counter_1.db", "gauge_liveall_m2.db", "slot_1.lock", "journal_1.bin", "counter_1.db.bak"):
        (tmp_path / filename).touch()
    (tmp_path / "counter_2.db").mkdir()
    (tmp_path / "counter_3.db").symlink_to(tmp_path / "counter_1.db")
    os.mkfifo(tmp_path / "counter_4.db")
    assert names(tmp_path) == {"counter_1.db", "gauge_liveall_m2.db"}


def test_no_directory_is_an_empty_one(tmp_path: Path) -> None:
    """Before the first worker there may be none, and it may come and go."""
    source = DirectorySource(str(tmp_path / "metrics"))
    assert source.scan() == []
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").touch()
    assert len(source.scan()) == 1
    (tmp_path / "metrics" / "counter_1.db").unlink()
    (tmp_path / "metrics").rmdir()
    assert source.scan() == []


def test_an_unlistable_path_is_reported_and_the_scrape_goes_on(tmp_path: Path) -> None:
    """The exporter's own families are served whatever happened to the storage."""
    (tmp_path / "file").touch()
    failures: list[BaseException] = []
    scraper = Scraper(DirectorySource(str(tmp_path / "file")), on_failure=lambda _, error: failures.append(error))
    assert b"gunicorn_exporter_series 4.0\n" in scraper.render()
    assert [type(error) for error in failures] == [NotADirectoryError]


def test_reads_all_of_a_large_segment(tmp_path: Path) -> None:
    """Larger than the first read, and growing."""
    scraper = Scraper(DirectorySource(str(tmp_path)))
    for count in (10, 300, 3000):
        write(tmp_path, "counter_1.db", [("a", "a_total", {"x": str(number)}, 1.0) for number in range(count)])
        assert scraper.render().count(b"a_total{") == count


def test_a_link_put_in_place_of_a_segment_is_not_followed(tmp_path: Path) -> None:
    """Between being listed and being read, too."""
    (tmp_path / "counter_1.db").write_bytes(packed((key("a", "a_total"), 1.0)))
    (segment,) = DirectorySource(str(tmp_path)).scan()
    (tmp_path / "counter_1.db").rename(tmp_path / "elsewhere")
    (tmp_path / "counter_1.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        segment.read()


def test_a_pipe_put_in_place_of_a_segment_does_not_block(tmp_path: Path) -> None:
    """Nobody writes to it, so reading it would last for ever."""
    (tmp_path / "counter_1.db").touch()
    (segment,) = DirectorySource(str(tmp_path)).scan()
    (tmp_path / "counter_1.db").unlink()
    os.mkfifo(tmp_path / "counter_1.db")
    with pytest.raises(OSError, match="seek"):
        segment.read()


def test_an_enormous_segment_is_refused(tmp_path: Path) -> None:
    """A sparse file can claim any size; no memory is spent on it."""
    with (tmp_path / "counter_1.db").open("wb") as file:
        file.write(struct.pack("=ii", LARGEST_SEGMENT + 8, 0))
        file.truncate(LARGEST_SEGMENT + 4096)
    (segment,) = DirectorySource(str(tmp_path)).scan()
    with pytest.raises(UnreadableSegment):
        segment.read()


def test_a_replaced_file_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    """It has the length, often the inode number, and by coarse clocks the time of the old one, and other entries."""
    scraper = Scraper(DirectorySource(str(tmp_path)))
    now = time.time_ns()
    for first, second in (("1", "2"), ("2", "1")) * 5:
        (tmp_path / "counter_1.db").unlink(missing_ok=True)
        entries = [("a", "a_total", {"x": x}, float(x)) for x in (first, second)]
        write(tmp_path, "counter_1.db", [*entries, ("a", "a_total", {"x": "3"}, 3.0)])
        os.utime(tmp_path, ns=(now, now))
        assert value(scraper.collect(), "a_total", x="1") == 1.0


def test_a_settled_directory_keeps_its_identity(tmp_path: Path) -> None:
    """Otherwise every scrape would parse everything."""
    (tmp_path / "counter_1.db").touch()
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    source = DirectorySource(str(tmp_path))
    identities = [source.scan()[0].identity for _ in range(2)]
    assert identities[0] == identities[1]
    (tmp_path / "counter_2.db").touch()
    assert source.scan()[0].identity != identities[0]


def test_only_what_needs_its_owner_asks_for_it(tmp_path: Path) -> None:
    """Live gauges, and all that was sampled about a worker, count while the slot's lock is held."""
    files = ["counter_1.db", "gauge_all_1.db", "gauge_livesum_1.db", "gauge_livesum_m1.db", "gauge_sum_s1.db"]
    for filename in files:
        (tmp_path / filename).touch()
    descriptors = [try_lock(str(tmp_path / f"slot_{owner}.lock")) for owner in ("1", "m1")]
    source = DirectorySource(str(tmp_path))
    assert alive(source) == dict.fromkeys(files, True)
    for descriptor in descriptors:
        assert descriptor is not None
        os.close(descriptor)
    assert alive(source) == {filename: filename in {"counter_1.db", "gauge_all_1.db"} for filename in files}


def test_a_foreign_process_has_no_lock(tmp_path: Path) -> None:
    """Its live gauges count until prometheus_client removes them; those of our own kinds of owners do not."""
    for filename in ("gauge_livesum_4711.db", "gauge_livesum_web1.db", "gauge_sum_s1.db", "gauge_livesum_m1.db"):
        (tmp_path / filename).touch()
    assert alive(DirectorySource(str(tmp_path))) == {
        "gauge_livesum_4711.db": True,
        "gauge_livesum_web1.db": True,
        "gauge_sum_s1.db": False,
        "gauge_livesum_m1.db": False,
    }


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Neither after good segments nor after bad ones."""
    write(tmp_path, "counter_1.db", [("a", "a_total", {}, 1.0)])
    (tmp_path / "counter_2.db").write_bytes(b"\xff" * 100)
    (tmp_path / "gauge_livesum_1.db").touch()
    (tmp_path / "slot_1.lock").touch()
    before = open_descriptors()
    Scraper(DirectorySource(str(tmp_path))).render()
    assert open_descriptors() == before
