"""``python -m bench [PART ...] [--check]``: measure, print, and write the page and its plots.

Without arguments everything but the soak is measured, in about a quarter of an hour on two cores. A part that is run
alone replaces its own results; the page shows the last results of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from . import hot_path, served
from .machine import machine
from .results import Result, say
from .scale import CHECK, FULL, Scale

PARTS: Final[dict[str, Callable[[Scale], Result]]] = {
    "hot_path": hot_path.measure,
    "served": served.measure,
}


def main() -> int:
    """Run what is asked for. Returns 1 if a target was missed, for a person to see; 0 with ``--check``."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the exporter next to what else there is.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--check", action="store_true", help="only see that it runs, and change no results")
    parser.add_argument("--only", default="", help="of the hot path, only the variants with this in their name")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    scale = CHECK if options.check else FULL
    missed = 0
    for part in options.parts or PARTS:
        measure = partial(hot_path.measure, only=options.only) if part == "hot_path" else PARTS[part]
        started = time.monotonic()
        about = machine()
        result = measure(scale)
        result.machine, result.seconds = about, time.monotonic() - started
        print(say(result), flush=True)
        missed += sum(target.met is False for target in result.targets)
        if not (options.check or options.only):
            result.save()
    return 0 if options.check else min(missed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
