"""docs/performance.md, written from the last results of each part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .plots import draw
from .results import Result, Table

NOTES: Final = Path(__file__).parent / "notes"
"""Paragraphs that a person adds to the section of a part: why a target is missed, say."""

_HEAD: Final = """\
# Performance

What the exporter costs, next to what else there is, and whether it meets its own targets. `make bench` writes this page
with what it measured; `make bench BENCH=scrape` measures one part again, `make bench BENCH=soak` is the half-hour soak.
A target that was missed says so. *The floor* is a worker that takes two readings of the clock, searches one bucket list
and packs thirty doubles into a memory map; *noise* is what two servers of the same kind differ by.
"""


def write(results: Sequence[Result], page: Path) -> None:
    """Write ``page`` and, in a directory beside it of the same name, its plots."""
    plots = page.with_suffix("")
    parts = [_HEAD, _targets(results)]
    for result in results:
        parts.append(_section(result))
        for figure in result.figures:
            file = draw(figure, plots)
            parts.append(f"![{figure.title}]({plots.name}/{file.name})\n")
    parts.append(_machines(results))
    page.write_text("\n".join(parts))


def _targets(results: Sequence[Result]) -> str:
    rows = [
        [target.name, target.measured, target.wanted, f"**{target.verdict}**"]
        for result in results
        for target in result.targets
    ]
    met = sum(target.met is True for result in results for target in result.targets)
    head = f"## Targets\n\n{met} of {len(rows)} are met.\n\n"
    return head + _markdown(["target", "measured", "wanted", ""], rows)


def _section(result: Result) -> str:
    notes = NOTES / f"{result.part}.md"
    said = [notes.read_text()] if notes.exists() else []
    tables = [_table(table) for table in result.tables]
    return "\n".join([f"## {result.title}\n", result.text.strip() + "\n", *tables, *said])


def _table(table: Table) -> str:
    note = f"\n{table.note}\n" if table.note else ""
    return f"### {table.title}\n\n{_markdown(table.columns, table.rows)}{note}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in (columns, rule, *rows)) + "\n"


def _machines(results: Sequence[Result]) -> str:
    """On what each part was run; what is the same as for the part before is not said again."""
    parts = ["## Machine, versions and dates\n"]
    before: dict[str, str] = {}
    for result in results:
        new = {name: value for name, value in result.machine.items() if before.get(name) != value}
        new["took"] = f"{result.seconds:.0f} seconds"
        rows = [[name, value] for name, value in new.items()]
        parts.append(f"{result.title}:\n\n" + _markdown(["", ""], rows).replace("--:", "---"))
        before = result.machine
    return "\n".join(parts)
