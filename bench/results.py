"""What a part of the benchmark found out, in a form that is kept as JSON and printed or drawn by others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

DIRECTORY: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A fact that is to be true: what was measured, and what it is held against. ``met`` is None if it was not."""

    name: str
    measured: str
    wanted: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """PASS, FAIL or NOT MEASURED."""
        return {True: "PASS", False: "FAIL", None: "NOT MEASURED"}[self.met]


@dataclass(frozen=True)
class Line:
    """Points of a plot."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Figure:
    """A plot of lines, or, with ``bars``, of one horizontal bar for each label."""

    name: str
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = field(default_factory=list)
    bars: Mapping[str, float] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False


@dataclass
class Result:
    """What one part found out, where and when."""

    part: str
    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def save(self, directory: Path = DIRECTORY) -> None:
        """Replace what an earlier run of this part left in ``directory``."""
        directory.mkdir(exist_ok=True, parents=True)
        (directory / f"{self.part}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(part: str, directory: Path = DIRECTORY) -> Result | None:
    """What the last run of ``part`` left, None if there was none."""
    try:
        saved: dict[str, Any] = json.loads((directory / f"{part}.json").read_text())
    except FileNotFoundError:
        return None
    return Result(
        **{
            **saved,
            "tables": [Table(**table) for table in saved["tables"]],
            "targets": [Target(**target) for target in saved["targets"]],
            "figures": [
                Figure(**{**figure, "lines": [Line(**line) for line in figure["lines"]]}) for figure in saved["figures"]
            ],
        }
    )


def at_most(name: str, measured: float | None, limit: float, wanted: str, unit: str = "times") -> Target:
    """The target that ``measured`` is no more than ``limit``; a cost below nothing is met by any measure."""
    return _judged(name, measured, None if measured is None else measured <= limit, wanted, unit)


def at_least(name: str, measured: float | None, limit: float, wanted: str, unit: str = "times") -> Target:
    """The target that ``measured`` is no less than ``limit``."""
    return _judged(name, measured, None if measured is None else measured >= limit, wanted, unit)


def _judged(name: str, measured: float | None, met: bool | None, wanted: str, unit: str) -> Target:
    return Target(name, "not measured" if measured is None else f"{measured:.3g} {unit}".strip(), wanted, met)


def say(result: Result) -> str:
    """``result`` for a terminal."""
    lines = [f"== {result.title}", ""]
    for table in result.tables:
        cells = [table.columns, *table.rows]
        widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
        lines.append(table.title)
        lines += [_line(row, widths) for row in cells]
        lines += [f"  {table.note}"] if table.note else []
        lines.append("")
    lines += [
        f"{target.verdict:4}  {target.name}: {target.measured}, wanted {target.wanted}" for target in result.targets
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    return "  ".join([f"  {first[0].ljust(first[1])}", *(cell.rjust(width) for cell, width in rest)])
