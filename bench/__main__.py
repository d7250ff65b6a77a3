"""``python -m bench [PART ...] [--check]``: measure, print, and write the page and its plots.

Without arguments everything but the soak is measured, in about 25 minutes on two cores. A part that is run alone
replaces its own results; the page shows the last results of each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from . import endurance, growth, hot_path, scrapes, served, soak
from .environments import ROOT
from .machine import machine
from .page import write
from .results import DIRECTORY, Result, load, say
from .scale import CHECK, FULL, Scale

PAGE: Final = ROOT / "docs" / "performance.md"
PARTS: Final[dict[str, Callable[[Scale], Result]]] = {
    "hot_path": hot_path.measure,
    "served": served.measure,
    "scrape": scrapes.measure,
    "endurance": endurance.measure,
    "growth": growth.measure,
}
ALL: Final = {**PARTS, "soak": soak.measure}


def main() -> int:
    """Run what is asked for. Returns 1 if a target was missed; with ``--check``, 0 unless something does not run."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the exporter next to what else there is.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(ALL)} (default: all but the soak)")
    parser.add_argument("--check", action="store_true", help="only see that it runs, and change no results")
    parser.add_argument(
        "--only", default="", help="of the hot path, only the variants with this in their name; not kept"
    )
    parser.add_argument(
        "--minutes", type=float, default=soak.MINUTES, help="how long the soak is (default: %(default)s)"
    )
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in ALL]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(ALL)}")
    chosen: dict[str, Callable[[Scale], Result]] = {
        **ALL,
        "hot_path": partial(hot_path.measure, only=options.only),
        "soak": partial(soak.measure, minutes=options.minutes),
    }
    scale = CHECK if options.check else FULL
    if options.check or options.only:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            _run(
                [chosen[part] for part in options.parts or PARTS],
                scale,
                Path(directory),
                Path(directory) / "page.md",
            )
        return 0
    return _run([chosen[part] for part in options.parts or PARTS], scale, DIRECTORY, PAGE)


def _run(parts: Iterable[Callable[[Scale], Result]], scale: Scale, kept: Path, page: Path) -> int:
    """Measure ``parts``; returns 1 if a target was missed."""
    missed = False
    for measure in parts:
        about, started = machine(), time.monotonic()
        result = measure(scale)
        result.machine, result.seconds = about, time.monotonic() - started
        result.save(kept)
        missed |= any(target.met is False for target in result.targets)
        print(say(result), flush=True)
    write([found for found in (load(part, kept) for part in ALL) if found is not None], page)
    print(f"Written: {page} and its plots", flush=True)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
