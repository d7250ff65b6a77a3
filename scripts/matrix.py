"""The end-to-end tests on every supported Gunicorn, with the oldest and the newest Python of this machine.

A Gunicorn meets one of the two, the oldest the oldest and the newest the newest; ``all`` runs every combination.
Some of the cells also run the tests of the bridges, so that the oldest and the newest of each framework have a turn.

Each cell has its own environment in ``.venvs/``, kept for the next time, and a log beside it. Two cells run at a time.
Runs in the development environment: ``python -m scripts.matrix``; arguments choose, of all combinations, those with a
part of their name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from glob import glob
from pathlib import Path

from scripts.environment import MINIMUM, ROOT, EnvironmentFailure, ensure

ENVIRONMENTS = ROOT / ".venvs"
AT_A_TIME = 2
CELL_LIMIT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Column:
    """A supported Gunicorn: what pip installs, whether it has an eventlet worker (26 removed it), and the own cell.

    That cell has the oldest Python (``place`` 0) or the newest (-1), and with ``frameworks``, which may be none to take
    the newest there are, runs the bridges' tests too.
    """

    requirement: str
    has_eventlet: bool
    place: int
    frameworks: tuple[str, ...] | None = None


# Django 4.2 knows no Python beyond 3.12, and Pyramid 2.0 imports the pkg_resources that setuptools 81 drops.
OLDEST_FRAMEWORKS = (
    "Flask==2.3.*",
    "Django==4.2.*; python_version < '3.13'",
    "pyramid==2.0.*",
    "setuptools<81",
    "fastapi==0.110.*",
)
GUNICORNS = {
    "22.0": Column("gunicorn==22.0.*", True, 0, OLDEST_FRAMEWORKS),
    "23.0": Column("gunicorn==23.0.*", True, -1),
    "25.3": Column("gunicorn==25.3.*", True, 0, ("Django==5.2.*",)),
    "newest": Column("gunicorn", False, -1, ()),
}
BRIDGE_TESTS = (
    "tests/bridges",
    "tests/contrib_flask",
    "tests/contrib_django",
    "tests/contrib_pyramid",
    "tests/contrib_starlette",
)

WHERE_AM_I = "import sys, venv, ensurepip; print(sys._base_executable, *sys.version_info[:2], sys.version_info[3])"


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter of this machine and its (major, minor) version."""

    path: str
    version: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination to test. ``frameworks`` is what to install for the bridges' tests, None to leave them out."""

    python: Python
    gunicorn: str
    frameworks: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The name of its environment and its log."""
        return f"python{self.python.version[0]}.{self.python.version[1]}-gunicorn{self.gunicorn}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell. ``closing`` is pytest's last line, or why there was none."""

    cell: Cell
    passed: bool
    gunicorn_version: str
    closing: str
    seconds: float


def pythons() -> list[Python]:
    """Find the oldest and the newest released Python >= 3.10 on PATH and among pyenv's versions; one may be both."""
    names = ["python3", *(f"python3.{minor}" for minor in range(MINIMUM[1], 30))]
    on_path = [path for path in map(shutil.which, names) if path]
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions" / "*" / "bin" / "python3"
    candidates = [sys.executable, *on_path, *sorted(glob(str(pyenv)))]
    return oldest_and_newest(filter(None, map(_inspect, candidates)))


def oldest_and_newest(found: Iterable[Python]) -> list[Python]:
    """Of each version the first that was found counts."""
    by_version: dict[tuple[int, int], Python] = {}
    for python in found:
        if python.version >= MINIMUM:
            by_version.setdefault(python.version, python)
    return [by_version[version] for version in sorted({min(by_version), max(by_version)})]


def _inspect(candidate: str) -> Python | None:
    # A pyenv shim of a version that is not chosen exits with an error; a Debian python without venv fails the import.
    said = subprocess.run([candidate, "-c", WHERE_AM_I], capture_output=True, text=True, check=False)
    if said.returncode:
        return None
    *path, major, minor, level = said.stdout.split()
    return Python(" ".join(path), (int(major), int(minor))) if level == "final" else None


def cells_of(found: list[Python], *, every: bool = False) -> list[Cell]:
    """The own cell of each Gunicorn, so that each Python ``found`` has its turns; or ``every`` combination."""
    return [
        Cell(python, gunicorn, column.frameworks if python is found[column.place] else None)
        for gunicorn, column in GUNICORNS.items()
        for python in (found if every else [found[column.place]])
    ]


def requirements(gunicorn: str, frameworks: tuple[str, ...] | None = None) -> list[str]:
    """Return the pip arguments of a cell: the project editable, its test tools, one Gunicorn, and frameworks."""
    column = GUNICORNS[gunicorn]
    extras = "all,test,eventlet" if column.has_eventlet else "all,test"
    return ["--editable", f".[{extras}]", column.requirement, *(frameworks or ())]


def run(cell: Cell, pytest_arguments: list[str]) -> Outcome:
    """Make the environment of a cell where needed and run the marked tests in it."""
    started = time.monotonic()

    def outcome(passed: bool, version: str, closing: str) -> Outcome:
        result = Outcome(cell, passed, version, closing, time.monotonic() - started)
        print(f"{cell.name}: {closing}", flush=True)
        return result

    try:
        python = ensure(
            ENVIRONMENTS / cell.name, requirements(cell.gunicorn, cell.frameworks), interpreter=cell.python.path
        )
    except EnvironmentFailure as failure:
        log_of(cell).write_text(str(failure))
        return outcome(False, "-", "no environment")
    version = subprocess.run(
        [python, "-c", "import gunicorn; print(gunicorn.__version__)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    bridges = [] if cell.frameworks is None else BRIDGE_TESTS
    command = [str(python), "-m", "pytest", *pytest_arguments, *bridges]
    with log_of(cell).open("w") as log:
        try:
            code = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=CELL_LIMIT_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            return outcome(False, version, f"not finished within {CELL_LIMIT_SECONDS} s")
    # pytest's 5, no test ran, is a failure too: code 0 alone passes.
    return outcome(code == 0, version, closing_line(log_of(cell).read_text(errors="replace")))


def closing_line(log: str) -> str:
    """Return the last line that pytest wrote, without its decoration."""
    lines = log.strip().splitlines()
    return lines[-1].strip("= ") if lines else "pytest wrote nothing"


def log_of(cell: Cell) -> Path:
    """Where the output of a cell is kept."""
    return ENVIRONMENTS / f"{cell.name}.log"


def table(outcomes: Iterable[Outcome]) -> str:
    """Return the outcomes, a line each, with a header."""
    rows = [("Python", "Gunicorn", "result", "seconds", "pytest")]
    for outcome in outcomes:
        version = ".".join(map(str, outcome.cell.python.version))
        result = "passed" if outcome.passed else "FAILED"
        rows.append((version, outcome.gunicorn_version, result, f"{outcome.seconds:.0f}", outcome.closing))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def main(chosen: list[str]) -> int:
    """Run the cells whose name contains one of ``chosen``, print the table, fail if one failed."""
    cells = cells_of(pythons(), every=bool(chosen))
    if chosen not in ([], ["all"]):
        cells = [cell for cell in cells if any(part in cell.name for part in chosen)]
    ENVIRONMENTS.mkdir(exist_ok=True)
    # The tests mostly wait: for servers to start, for workers to end.
    pytest_arguments = ["tests/e2e", "-m", "matrix", "-n", "3", "--reruns", "1", "-p", "no:cacheprovider"]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(pool.map(partial(run, pytest_arguments=pytest_arguments), cells))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        print(f"\n== {log_of(outcome.cell)}\n{log_of(outcome.cell).read_text(errors='replace')}")
    print(f"\n{table(outcomes)}\n\nmatrix: {len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
