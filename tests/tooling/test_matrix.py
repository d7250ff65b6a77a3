from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import matrix
from scripts.matrix import Cell, Outcome, Python

OLD, MIDDLE, NEW = (Python(f"/opt/python3.{minor}", (3, minor)) for minor in (10, 11, 13))


def test_the_oldest_and_the_newest_python_are_taken() -> None:
    too_old = Python("/opt/python3.9", (3, 9))
    assert matrix.oldest_and_newest([MIDDLE, too_old, NEW, OLD]) == [OLD, NEW]


def test_the_only_python_is_taken_once() -> None:
    assert matrix.oldest_and_newest([OLD, OLD]) == [OLD]


def test_this_machine_has_a_python() -> None:
    found = matrix.pythons()
    assert found[0].version <= sys.version_info[:2] <= found[-1].version


def test_what_is_no_usable_python_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pyenv shim of a version that is not chosen exits with an error; pyenv's directory may be somebody else's."""
    for minor in range(10, 30):
        shim = tmp_path / f"python3.{minor}"
        shim.write_text("#!/bin/sh\nexit 127\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "python3.10" / "not-a-directory"))
    assert [python.version for python in matrix.pythons()] == [sys.version_info[:2]]


@pytest.mark.parametrize("gunicorn", matrix.GUNICORNS)
def test_eventlet_comes_only_with_a_gunicorn_that_has_it(gunicorn: str) -> None:
    wanted = matrix.requirements(gunicorn)
    assert (".[all,test,eventlet]" in wanted) == (gunicorn != "newest")


def test_each_gunicorn_has_its_python() -> None:
    """The oldest of all meet, and the newest; each Python meets more than one Gunicorn."""
    cells = matrix.cells_of([OLD, NEW])
    assert [(cell.gunicorn, cell.python) for cell in cells] == [
        ("22.0", OLD),
        ("23.0", NEW),
        ("25.3", OLD),
        ("newest", NEW),
    ]
    assert "Flask==2.3.*" in matrix.requirements("22.0", cells[0].frameworks)


def test_the_bridges_run_once_for_their_frameworks_in_every_combination_too() -> None:
    cells = matrix.cells_of([OLD, NEW], every=True)
    assert len(cells) == 8
    with_bridges = {cell.gunicorn: cell for cell in cells if cell.frameworks is not None}
    assert {name: cell.python for name, cell in with_bridges.items()} == {"22.0": OLD, "25.3": OLD, "newest": NEW}


def test_one_python_has_all_frameworks() -> None:
    cells = matrix.cells_of([NEW], every=True)
    assert [cell.gunicorn for cell in cells] == list(matrix.GUNICORNS)
    assert [cell.gunicorn for cell in cells if cell.frameworks is not None] == ["22.0", "25.3", "newest"]


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell that runs in this environment instead of making its own."""
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(matrix, "ensure", lambda *arguments, **options: Path(sys.executable))
    return Cell(MIDDLE, "newest")


@pytest.mark.parametrize(
    ("source", "passed", "closing"),
    [
        ("def test_it(): pass", True, "1 passed"),
        ("def test_it(): assert False", False, "1 failed"),
        ("def help(): pass", False, "no tests ran"),
    ],
)
def test_a_cell_passes_only_if_a_test_ran_and_none_failed(
    cell: Cell, tmp_path: Path, source: str, passed: bool, closing: str
) -> None:
    (tmp_path / "test_it.py").write_text(source)
    outcome = matrix.run(cell, [str(tmp_path / "test_it.py"), "-c", "/dev/null", "-p", "no:cacheprovider"])
    assert outcome.passed is passed
    assert closing in outcome.closing


def test_the_table_has_a_line_for_each_cell() -> None:
    outcomes = [
        Outcome(Cell(OLD, "22.0"), True, "22.0.0", "3 passed in 1.2s", 12.3),
        Outcome(Cell(NEW, "newest"), False, "27.0.1", "1 failed in 1.2s", 2.0),
    ]
    assert matrix.table(outcomes).splitlines() == [
        "Python  Gunicorn  result  seconds  pytest",
        "3.10    22.0.0    passed  12       3 passed in 1.2s",
        "3.13    27.0.1    FAILED  2        1 failed in 1.2s",
    ]
