"""A segment is what prometheus_client would have written, whoever wrote it, and whatever became of its bytes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from gunicorn_prometheus_exporter.storage.segment import Segment, SegmentCorruptError, SegmentFullError

names = st.text(max_size=60)
keys = st.builds(lambda name, value, text: mmap_key(name, name, ["label"], [value], text), names, names, names)
entries = st.dictionaries(keys, st.tuples(st.floats(allow_nan=False), st.floats(0, 1e12)), max_size=30)
anywhere = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def opened(path: Path, limit: int = 1 << 26) -> Segment:
    return Segment(os.open(path, os.O_RDWR | os.O_CREAT), limit=limit)


@anywhere
@given(entries)
def test_prometheus_client_reads_what_a_segment_wrote(tmp_path: Path, written: dict[str, tuple[float, float]]) -> None:
    """Keys, values and time stamps, byte for byte where they belong."""
    path = tmp_path / "counter_1.db"
    path.unlink(missing_ok=True)
    segment = opened(path)
    for key, (value, timestamp) in written.items():
        segment.write_value(key, value, timestamp)
    read = {key: (value, timestamp) for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path))}
    assert read == written
    stock = MmapedDict(str(path))
    assert {key: stock.read_value(key) for key in written} == written
    stock.close()


@anywhere
@given(entries, entries)
def test_a_segment_continues_what_prometheus_client_wrote(
    tmp_path: Path, written: dict[str, tuple[float, float]], added: dict[str, tuple[float, float]]
) -> None:
    """It finds every value, and what it adds is found by both."""
    path = tmp_path / "counter_1.db"
    path.unlink(missing_ok=True)
    stock = MmapedDict(str(path))
    for key, (value, timestamp) in written.items():
        stock.write_value(key, value, timestamp)
    stock.close()
    segment = opened(path)
    assert {key: (value, timestamp) for key, value, timestamp in segment.read_all_values()} == written
    assert len(segment) == len(written)
    for key, (value, timestamp) in added.items():
        segment.write_value(key, value, timestamp)
    both = {**written, **added}
    read = {key: (value, timestamp) for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path))}
    assert read == both
    assert {key: opened(path).read_value(key) for key in both} == both


def test_growth_keeps_older_views_valid(tmp_path: Path) -> None:
    """Beyond the first 64 KiB: values stay where they are, and a handle from before writes to the same place."""
    segment = opened(tmp_path / "counter_1.db")
    first, view = segment.index('["first"]'), segment.cells
    for number in range(3000):
        segment.write_value(f'["key {number}"]', number, 0.0)
    assert (tmp_path / "counter_1.db").stat().st_size > 1 << 16
    assert segment.index('["first"]') == first
    view[first] = 42.0
    assert segment.cells[first] == 42.0
    assert opened(tmp_path / "counter_1.db").read_value('["first"]') == (42.0, 0.0)
    assert opened(tmp_path / "counter_1.db").read_value('["key 2999"]') == (2999.0, 0.0)


def test_a_full_segment_takes_no_new_key(tmp_path: Path) -> None:
    """And keeps counting under those it has."""
    segment = opened(tmp_path / "counter_1.db", limit=1 << 16)
    fits = ((1 << 16) - 8) // 40
    for number in range(fits):
        segment.index(f'["key {number:07}"]')
    with pytest.raises(SegmentFullError):
        segment.index('["one more key"]')
    assert (tmp_path / "counter_1.db").stat().st_size == 1 << 16
    segment.write_value('["key 0000007"]', 7.0, 0.0)
    assert opened(tmp_path / "counter_1.db").read_value('["key 0000007"]') == (7.0, 0.0)


def test_a_closed_segment_takes_no_new_key(tmp_path: Path) -> None:
    """Handles that were given out go on working."""
    segment = opened(tmp_path / "counter_1.db")
    index = segment.index('["a"]')
    segment.close()
    segment.cells[index] = 3.0
    assert opened(tmp_path / "counter_1.db").read_value('["a"]') == (3.0, 0.0)


def test_threads_may_add_keys_at_once(tmp_path: Path) -> None:
    """Each key gets one place, and no two the same."""
    segment = opened(tmp_path / "counter_1.db")
    start = threading.Barrier(8)
    found: list[dict[str, int]] = []

    def add() -> None:
        start.wait()
        found.append({key: segment.index(key) for key in (f'["key {number}"]' for number in range(500))})

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)
    assert len(set(found[0].values())) == 500


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The used part of a segment of four keys."""
    path = tmp_path_factory.mktemp("segment") / "counter_1.db"
    segment = opened(path)
    for name in ("a", "bb", "ccccccc", "é"):
        segment.write_value(mmap_key(name, f"{name}_total", ["label"], ["value"], "Help."), 3.0, 4.0)
    return path.read_bytes()[:400]


def assert_usable(path: Path) -> None:
    """Opening either says that the segment is corrupt, or gives one that keeps what is added."""
    try:
        segment = opened(path)
    except SegmentCorruptError:
        return
    segment.write_value('["added"]', 5.0, 0.0)
    assert opened(path).read_value('["added"]') == (5.0, 0.0)
    assert '["added"]' in {key for key, *_ in MmapedDict.read_all_values_from_file(str(path))}


@anywhere
@given(st.data())
def test_any_byte_may_be_wrong(tmp_path: Path, sound: bytes, data: st.DataObject) -> None:
    """Nothing but SegmentCorruptError comes of it."""
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "counter_1.db"
    path.write_bytes(damaged)
    assert_usable(path)


def test_a_segment_may_end_anywhere(tmp_path: Path, sound: bytes) -> None:
    """Cut after each of its bytes."""
    path = tmp_path / "counter_1.db"
    for length in range(len(sound)):
        path.write_bytes(sound[:length])
        assert_usable(path)


@anywhere
@given(st.binary(max_size=300), st.integers(0, 20))
def test_anything_may_be_in_the_file(tmp_path: Path, content: bytes, odd: int) -> None:
    """Of any length, aligned or not, longer than the first mapping or not."""
    path = tmp_path / "counter_1.db"
    path.write_bytes(content)
    assert_usable(path)
    path.write_bytes((content + bytes(1 << 16))[: (1 << 16) + odd])
    assert_usable(path)


def test_a_used_length_that_ends_in_the_middle_of_a_number(tmp_path: Path) -> None:
    """Sound entries up to two bytes before the end of a file of an odd size, and one more in use."""
    path = tmp_path / "counter_1.db"
    opened(path).index('["x"]')
    entry = path.read_bytes()[8:40]
    used = 8 + 2048 * len(entry)
    path.write_bytes((used + 1).to_bytes(4, "little") + bytes(4) + entry * 2048 + bytes(2))
    with pytest.raises(SegmentCorruptError):
        opened(path)


@pytest.mark.parametrize("key", [b"no JSON", b"[1", b"\xff\xfe", b"[" * 2000])
def test_a_key_that_no_reader_understands(tmp_path: Path, key: bytes) -> None:
    """A reader would skip the whole segment with it, so a writer must not continue it."""
    path = tmp_path / "counter_1.db"
    padded = key + b" " * (8 - (len(key) + 4) % 8)
    entry = len(key).to_bytes(4, "little") + padded + bytes(16)
    path.write_bytes((8 + len(entry)).to_bytes(4, "little") + bytes(4) + entry)
    with pytest.raises(SegmentCorruptError):
        opened(path)
