"""The area of exemplars: the last one of each bucket, and never more than there is room for."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gunicorn_prometheus_exporter.storage.exemplars import RECORDS, SIZE, Exemplar, ExemplarArea, Trace, exemplars_in

TRACE = Trace(bytes(range(16)), bytes(range(8)))
OTHER = Trace(b"t" * 16, b"s" * 8)


def opened(path: Path) -> ExemplarArea:
    return ExemplarArea(os.open(path, os.O_RDWR | os.O_CREAT))


def test_the_last_of_each_bucket(tmp_path: Path) -> None:
    """Is what is read."""
    area = opened(tmp_path / "area")
    area.put(b"a", 0.1, 1.0, TRACE)
    area.put(b"b", 0.2, 2.0, TRACE)
    area.put(b"a", 0.3, 3.0, OTHER)
    found = list(exemplars_in((tmp_path / "area").read_bytes()))
    assert found == [Exemplar(b"a", 0.3, 3.0, OTHER), Exemplar(b"b", 0.2, 2.0, TRACE)]


def test_it_is_bounded(tmp_path: Path) -> None:
    """Who comes when it is full takes the place of the oldest; a key that is too long has none."""
    area = opened(tmp_path / "area")
    for number in range(RECORDS + 3):
        area.put(b"%d" % number, 0.1, 1.0, TRACE)
    area.put(b"x" * 465, 0.1, 1.0, TRACE)
    area.put(b"y" * 464, 0.1, 1.0, TRACE)
    data = (tmp_path / "area").read_bytes()
    assert len(data) == SIZE
    assert {one.key for one in exemplars_in(data)} == {b"%d" % n for n in range(4, RECORDS + 3)} | {b"y" * 464}


def test_what_is_not_whole(tmp_path: Path) -> None:
    """Does not count, and the others do."""
    area = opened(tmp_path / "area")
    area.put(b"a", 0.1, 1.0, TRACE)
    area.put(b"b", 0.1, 1.0, TRACE)
    data = bytearray((tmp_path / "area").read_bytes())
    for torn in (0, 20, 48):
        changed = data.copy()
        changed[torn] ^= 1
        assert [one.key for one in exemplars_in(bytes(changed))] == [b"b"]


def test_the_next_worker(tmp_path: Path) -> None:
    """Of a slot finds what its last one left, and what it disowns it leaves alone."""
    opened(tmp_path / "area").put(b"a", 0.1, 1.0, TRACE)
    area = opened(tmp_path / "area")
    assert [one.key for one in exemplars_in((tmp_path / "area").read_bytes())] == [b"a"]
    area.put(b"b", 0.1, 1.0, TRACE)
    area.disown()
    area.put(b"c", 0.1, 1.0, TRACE)
    assert [one.key for one in exemplars_in((tmp_path / "area").read_bytes())] == [b"b"]


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    """Are no exemplars, and no error."""
    assert list(exemplars_in(data)) == []
