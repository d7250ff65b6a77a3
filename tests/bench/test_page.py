"""The page shows what was measured, and what was missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.page import write
from bench.results import Figure, Line, Result, Table, at_least, at_most, load, say


@pytest.fixture
def result() -> Result:
    found = Result("hot_path", "The cost of a request", "How it was measured.")
    found.tables = [
        Table("Instructions", ["", "added"], [["the floor", "+8,000"], ["this exporter", "+16,000"]], "A note.")
    ]
    found.targets = [
        at_most("Added", 2.5, 2, "at most 2"),
        at_least("Faster", 30, 25, "at least 25"),
        at_most("Peer", None, 1, "at most 1"),
    ]
    found.figures = [
        Figure("added", "Added", "instructions", "", bars={"this exporter": 16_000, "a peer": 100_000}),
        Figure("law", "Law", "endpoints", "instructions", [Line("added", [1, 10, 100], [5, 5, 6])], log_x=True),
    ]
    found.machine = {"date": "2026-01-01", "Python": "CPython 3.11"}
    return found


def test_a_result_is_the_same_after_it_was_saved(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path)
    assert load("hot_path", tmp_path) == result
    assert load("scrape", tmp_path) is None


def test_the_page_says_what_was_missed(result: Result, tmp_path: Path) -> None:
    write([result], tmp_path / "performance.md")
    text = (tmp_path / "performance.md").read_text()
    assert "1 of 3 are met." in text
    assert "| Added | 2.5 times | at most 2 | **FAIL** |" in text
    assert "| Peer | not measured | at most 1 | **NOT MEASURED** |" in text
    assert "| this exporter | +16,000 |" in text
    assert "| Python | CPython 3.11 |" in text
    for name in ("added", "law"):
        assert f"(performance/{name}.svg)" in text
        assert (tmp_path / "performance" / f"{name}.svg").read_text().startswith("<?xml")


def test_the_same_numbers_give_the_same_files(result: Result, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write([result], tmp_path / name / "performance.md")
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*.*")) for name in ("one", "two")
    ]
    assert files[0] == files[1]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files[0])


def test_a_terminal_shows_a_line_for_each_target(result: Result) -> None:
    said = say(result)
    assert "FAIL  Added: 2.5 times, wanted at most 2" in said
    assert "PASS  Faster: 30 times, wanted at least 25" in said
