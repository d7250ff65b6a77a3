"""Cleaning up while another master starts in the same directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage import files
from gunicorn_prometheus_exporter.storage.names import SegmentName
from gunicorn_prometheus_exporter.storage.segment import Segment
from gunicorn_prometheus_exporter.storage.segments import Segments


def test_a_slot_that_is_taken_in_the_meantime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files stay, and so does its lock; those of the dead go."""

    def store() -> files.FileStore:
        return files.FileStore(str(tmp_path), lambda *_: None, private=False, uid=0, gid=0)

    old = store()
    for owner in ("m1", "1"):
        slot = old.slots.take_owner(owner)
        assert slot is not None
        Segments(old, owner).get("counter")
        old.open_journal(owner, 1)
        old.open_exemplars(owner)
        old.slots.let_go(slot)

    other = store()
    in_use: Callable[[str], bool] = files._in_use

    def taken_right_afterwards(path: str) -> bool:
        answer = in_use(path)
        other.slots.take("m")
        return answer

    monkeypatch.setattr(files, "_in_use", taken_right_afterwards)
    files.open_named(str(tmp_path), lambda *_: None, cleanup=True, uid=0, gid=0)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"directory.lock", "slot_m1.lock", "counter_m1.db", "journal_m1.bin", "exemplars_m1.bin"}
    assert in_use(str(tmp_path))


def test_disowned(tmp_path: Path) -> None:
    """What a forked child writes into its parent's segment and journal goes nowhere."""
    store = files.FileStore(str(tmp_path), lambda *_: None, private=False, uid=0, gid=0)
    segments, journal = Segments(store, "1"), store.open_journal("1", 1)
    counters = segments.get("counter")
    index = counters.index("[1]")
    segments.disown()
    journal.disown()
    counters.cells[index] += 1.0
    counters.index("[2]")
    journal.words[journal.free[0][0]] = 200
    journal.set_endpoint(journal.free[0], b"/x")
    name = SegmentName("counter", "", "1")
    assert list(store.open_segment(name).read_all_values()) == [("[1]", 0.0, 0.0)]
    assert not store.open_journal("1", 1).busy()
    assert isinstance(counters, Segment)
