"""What a worker was doing is readable after it is dead."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage.journal import (
    FREE,
    NO_RESPONSE_YET,
    SCRATCH_CELL,
    Cell,
    Journal,
    Phase,
    encoded_method,
)


def opened(path: Path, cells: int = 4) -> Journal:
    return Journal(os.open(path, os.O_RDWR | os.O_CREAT), cells=cells)


def begin(journal: Journal, method: str = "GET", endpoint: str = "", status: int = NO_RESPONSE_YET) -> Cell:
    """Enter a request as the recorder does, and return its cell."""
    cell = journal.free.pop() if journal.free else SCRATCH_CELL
    journal.doubles[cell[1]] = 12.5
    journal.words[cell[2]] = encoded_method(method)
    journal.words[cell[3]] = 0
    if endpoint:
        journal.set_endpoint(cell, endpoint.encode("utf-8", "replace"))
    journal.words[cell[0]] = status
    return cell


def test_a_later_reader_finds_what_was_in_progress(tmp_path: Path) -> None:
    """Method, endpoint, status and start, of those requests that were not counted."""
    journal = opened(tmp_path / "j")
    begin(journal, "POST", "/users/<int:id>", 201)
    done = begin(journal, "GET", "/done")
    begin(journal, "PROPFIND")
    journal.words[done[0]] = FREE
    found = {(each.method, each.endpoint, each.status, each.start) for each in opened(tmp_path / "j").unfinished()}
    assert found == {("POST", "/users/<int:id>", 201, 12.5), ("PROPFIND", "", 0, 12.5)}


def test_clear_frees_every_cell(tmp_path: Path) -> None:
    """So that the next owner counts nothing twice."""
    journal = opened(tmp_path / "j")
    for _ in range(4):
        begin(journal)
    assert journal.busy()
    journal.clear()
    assert not opened(tmp_path / "j").busy()


def test_more_requests_than_cells(tmp_path: Path) -> None:
    """Those over the number of cells are not remembered, and disturb nobody."""
    journal = opened(tmp_path / "j", cells=2)
    begin(journal, "GET", "/a")
    begin(journal, "GET", "/b")
    before = journal.phase()
    begin(journal, "GET", "/" + "c" * 300)
    begin(journal, "GET", "/d")
    assert sorted(each.endpoint for each in journal.unfinished()) == ["/a", "/b"]
    assert journal.phase() == before


@pytest.mark.parametrize("endpoint", ["/" + "x" * 500, "/" + "é" * 200, "/" + "😀" * 100, "/\udcff"])
def test_long_and_strange_endpoints(tmp_path: Path, endpoint: str) -> None:
    """Cut to what fits, readable in any case, with nothing of the next cell in it."""
    journal = opened(tmp_path / "j")
    begin(journal, "GET", endpoint)
    begin(journal, "PUT", "/next")
    found = {each.method: each.endpoint for each in opened(tmp_path / "j").unfinished()}
    assert found["PUT"] == "/next"
    found["GET"].encode("utf-8")
    assert found["GET"][:20] == endpoint.encode("utf-8", "replace").decode()[:20]


def test_a_journal_grows_and_never_shrinks(tmp_path: Path) -> None:
    """A worker with fewer threads than its predecessor still finds all that one left."""
    journal = opened(tmp_path / "j", cells=10)
    for number in range(10):
        begin(journal, "GET", f"/{number}")
    assert len(list(opened(tmp_path / "j", cells=1).unfinished())) == 10
    assert len(opened(tmp_path / "j", cells=20).free) == 20


def test_phases(tmp_path: Path) -> None:
    """What a worker is about, and since when."""
    journal = opened(tmp_path / "j")
    assert journal.phase()[0] is Phase.BOOTING
    for phase in Phase:
        journal.enter(phase)
        assert opened(tmp_path / "j").phase()[0] is phase
        assert opened(tmp_path / "j").phase()[1] > 1_700_000_000


def test_what_no_worker_leaves_is_no_request(tmp_path: Path) -> None:
    """A journal of ones: the start would be no number, and a sum with it neither."""
    (tmp_path / "j").write_bytes(b"\xff" * 9000)
    assert not opened(tmp_path / "j").busy()


def test_garbage(tmp_path: Path) -> None:
    """Whatever is in the file, reading it and clearing it work."""
    chance = random.Random(7)
    for size in (0, 1, 7, 511, 512, 513, 2000, 9000):
        (tmp_path / "j").write_bytes(chance.randbytes(size))
        journal = opened(tmp_path / "j")
        for each in journal.unfinished():
            each.endpoint.encode("utf-8")
            each.method.encode("utf-8")
            assert math.isfinite(each.start)
            assert each.status <= 999
        journal.phase()
        journal.clear()
        assert not journal.busy()
