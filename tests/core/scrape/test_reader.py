from __future__ import annotations

import gc
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunicorn_prometheus_exporter.scrape.entries import Key
from gunicorn_prometheus_exporter.scrape.reader import Reader
from tests.core.scrape.segments import MemorySegment, key, packed

GOOD = packed((key("a", "a_total", {"x": "1"}), 1.5), (key("a", "a_total", {"x": "2"}), 2.5))


def values(data: bytes, filename: str = "counter_1.db") -> tuple[float, ...] | None:
    """What is read of ``data``; None if it is not readable. Fails if it spoils another segment."""
    found = Reader().read([MemorySegment(filename, data), MemorySegment("counter_2.db", GOOD)])
    assert found.readings[-1].values == (1.5, 2.5)
    if found.unreadable:
        assert len(found.readings) == 1
        return None
    return found.readings[0].values if len(found.readings) == 2 else ()


def test_reads_values_in_the_order_of_the_entries() -> None:
    """A reading pairs each key with its value."""
    reading = Reader().read([MemorySegment("counter_1.db", GOOD)]).readings[0]
    assert reading.values == (1.5, 2.5)
    assert [key.labels for key in reading.layout.keys] == [(("x", "1"),), (("x", "2"),)]


@pytest.mark.parametrize("data", [b"", bytes(8), bytes(65536), struct.pack("=ii", 8, 0)])
def test_an_empty_segment_is_no_failure(data: bytes) -> None:
    """A file that was only just created, or has no entries yet, is read as nothing."""
    assert values(data) == ()


def test_every_truncation_is_noticed() -> None:
    """A segment cut off at any byte but the very first is counted as unreadable and gives no values."""
    assert all(values(GOOD[:length]) is None for length in range(1, len(GOOD)))


def test_what_follows_the_used_part_is_ignored() -> None:
    """Files are larger than what is used of them."""
    assert values(GOOD + b"\xff" * 1000) == (1.5, 2.5)


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"[" * 100_000,
        b'"text"',
        b"[]",
        b'["a", "a_total", {}]',
        b'["a", "a_total", [], "h"]',
        b'["a", "a_total", {}, "h", []]',
        b'["a", "a_total", {}, 1]',
        b'[1, "a_total", {}, "h"]',
        key("", "_total"),
        key("a", "b_total"),
        key("a", "a"),
        key("a", "a_total", {"x": 1}),
        key("a", "a_total", {"x": None}),
    ],
)
def test_a_bad_key_makes_its_segment_unreadable(raw: bytes) -> None:
    """Whatever a key is, it costs its own segment and no other."""
    assert values(packed((key("a", "a_total"), 1.0), (raw, 2.0))) is None


@pytest.mark.parametrize("labels", [{}, {"le": "many"}, {"le": "nan"}])
def test_a_bucket_needs_a_bound(labels: dict[str, str]) -> None:
    """A histogram bucket without a number for its bound is not one."""
    assert values(packed((key("h", "h_bucket", labels), 1.0)), "histogram_1.db") is None


@pytest.mark.parametrize("length", [-1, 0, 2**31 - 1, -(2**31)])
def test_a_bad_key_length_is_noticed(length: int) -> None:
    """A key that would reach outside of the used part is not followed."""
    assert values(GOOD[:8] + struct.pack("=i", length) + GOOD[12:]) is None


@pytest.mark.parametrize("used", [-8, 1, 7, 12, len(GOOD) - 8, len(GOOD) + 8, 2**31 - 8])
def test_a_bad_used_length_is_noticed(used: int) -> None:
    """The used length must be that of whole entries that are there."""
    assert values(struct.pack("=i", used) + GOOD[4:]) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_garbage_never_raises(data: bytes) -> None:
    """Whatever the bytes are, reading them is safe and spoils no other segment."""
    values(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_never_raises(data: st.DataObject) -> None:
    """A sound segment with some bytes overwritten is read or counted, never raised about."""
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    values(bytes(damaged))


def test_a_growing_segment_keeps_what_it_had() -> None:
    """Appended entries are added, and values of old ones are read anew."""
    reader = Reader()
    first, second = (key("a", "a_total", {"x": str(number)}) for number in (1, 2))
    segment = MemorySegment("counter_1.db", packed((first, 1.0)))
    before = reader.read([segment]).readings[0]
    segment.data = packed((first, 5.0), (second, 6.0))
    after = reader.read([segment]).readings[0]
    assert after.values == (5.0, 6.0)
    assert after.layout.keys[0] is before.layout.keys[0]


def test_values_are_read_anew_each_time() -> None:
    """From the third time on, to where they were the time before."""
    reader = Reader()
    segment = MemorySegment("counter_1.db", b"")
    for number in (1.0, 2.0, 3.0, 4.0):
        segment.data = packed((key("a", "a_total"), number))
        assert [reading.values for reading in reader.read([segment]).readings] == [(number,)]


def test_a_replaced_segment_is_parsed_anew() -> None:
    """Another file of the same name and length may have its entries elsewhere."""
    reader = Reader()
    one, two, three = (key("a", "a_total", {"x": str(number)}) for number in (1, 2, 3))
    reader.read([MemorySegment("counter_1.db", packed((one, 1.0), (two, 2.0), (three, 3.0)))])
    swapped = MemorySegment("counter_1.db", packed((two, 2.0), (one, 1.0), (three, 3.0)), identity=2)
    reading = reader.read([swapped]).readings[0]
    assert {key.labels[0][1]: value for key, value in zip(reading.layout.keys, reading.values, strict=True)} == {
        "1": 1.0,
        "2": 2.0,
        "3": 3.0,
    }


def test_an_emptied_segment_is_parsed_anew() -> None:
    """Somebody who empties a file in place leaves its identity as it was."""
    reader = Reader()
    one, two = (key("a", "a_total", {"x": str(number)}) for number in (1, 2))
    segment = MemorySegment("counter_1.db", packed((one, 1.0)))
    reader.read([segment])
    segment.data = packed((two, 2.0), (one, 7.0))
    assert reader.read([segment]).readings[0].values == (2.0, 7.0)
    for raw, number in ((two, 3.0), (two, 4.0), (one, 5.0)):
        segment.data = packed((raw, number))
        (reading,) = reader.read([segment]).readings
        assert (reading.layout.keys[0].labels, reading.values) == ((("x", "1" if raw == one else "2"),), (number,))


def test_segments_with_the_same_series_share_a_layout() -> None:
    """Workers get their series in different orders; their readings have one order."""
    one, two = (key("a", "a_total", {"x": str(number)}) for number in (1, 2))
    first, second = (
        Reader()
        .read(
            [
                MemorySegment("counter_1.db", packed((one, 1.0), (two, 2.0))),
                MemorySegment("counter_2.db", packed((two, 20.0), (one, 10.0))),
            ]
        )
        .readings
    )
    assert first.layout is second.layout
    assert (first.values, second.values) == ((1.0, 2.0), (10.0, 20.0))


def test_an_entry_that_is_there_twice_does_no_harm() -> None:
    """No segment should have one; if one has, it must not pass for another with as many entries."""
    one, two = (key("a", "a_total", {"x": str(number)}) for number in (1, 2))
    found = Reader().read(
        [
            MemorySegment("counter_1.db", packed((one, 1.0), (two, 2.0))),
            MemorySegment("counter_2.db", packed((one, 3.0), (one, 4.0))),
            MemorySegment("counter_3.db", packed((one, 1.0), (one, 2.0), (two, 3.0))),
            MemorySegment("counter_4.db", packed((one, 4.0), (two, 5.0), (two, 6.0))),
        ]
    )
    assert [reading.values for reading in found.readings] == [(1.0, 2.0), (3.0, 4.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)]


def test_the_dead_are_not_read() -> None:
    """A segment that needs a living owner counts for nothing without one."""
    found = Reader().read([MemorySegment("gauge_livesum_1.db", packed((key("g", "g"), 1.0)), alive=False)])
    assert (found.readings, found.unreadable) == ([], 0)


def test_a_segment_that_vanished_is_no_failure() -> None:
    """A file may be removed between being listed and being opened."""

    class Vanished(MemorySegment):
        def read(self) -> bytes:
            raise FileNotFoundError

    assert Reader().read([Vanished("counter_1.db", b"")]).unreadable == 0


def test_memory_is_bounded_over_segment_churn() -> None:
    """Segments that come and go, each with labels of its own, leave nothing behind for long."""
    reader = Reader()
    for owner in range(250):
        entries = [(key("a", "a_total", {"x": f"{owner} {number}"}), 1.0) for number in range(100)]
        reader.read([MemorySegment("counter_1.db", packed(*entries), identity=owner)])
    kept = [found for found in gc.get_objects() if type(found) is Key]
    assert len(kept) < 12_000
