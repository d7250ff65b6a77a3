"""What a request costs in the worker: instructions by cachegrind, and CPU time, of one process without a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from . import variants as v
from .in_process import available, count_all, drive_of, driven
from .medians import noise, ratio
from .redis_server import with_redis
from .results import Figure, Result, Table, Target, at_most
from .scale import Scale
from .variants import Variant

# What the floor is said to be on CPython 3.11; the one of this run is measured.
STATED_FLOOR: Final = 12_000
TEXT: Final = """\
Each exporter runs in its own process with Gunicorn's own worker class, main loop, parser and response, but with sockets
of memory instead of a network. *Instructions* are user-space instructions by valgrind's cachegrind: what some hundred
more requests took, so start-up cancels out. They repeat within half a percent on any machine, and leave out the
kernel, which statsd's packets need and the others do not. Workers with an event loop get their requests over a real
socket, where the number of wake-ups is left to chance. *CPU time* is the process's own, with the kernel; variants take
turns. Every cost is what is added to the same application in the same environment without the exporter.
"""


@dataclass(frozen=True)
class Cost:
    """Instructions per request of a variant, and its CPU microseconds in each round; what each left in memory."""

    instructions: float
    microseconds: Sequence[float]
    blocks: float


def measure(scale: Scale, only: str = "") -> Result:
    """Count and time all variants, those whose name contains ``only`` if given, and judge this exporter."""
    there, missing = available(scale.measured, only)
    with with_redis(there) as chosen:
        return _measured(chosen, missing, scale)


def _measured(chosen: Sequence[Variant], missing: Sequence[str], scale: Scale) -> Result:
    counted = [variant for variant in chosen if not scale.counted or variant.name in scale.counted]
    counts = _count(counted, scale)
    costs = _time(chosen, counts, scale)
    loaded = _count(
        [variant for variant in counted if variant.name in _LOADED and not scale.counted], scale, pauses=False
    )
    noted = [f"Left out: {name}." for name in missing]
    result = Result("hot_path", "The cost of a request", "\n".join([TEXT, *noted]))
    result.tables = [_table(chosen, costs), _loaded_table(loaded), *_profiles(chosen, costs, scale)]
    result.targets = targets({name: cost.instructions for name, cost in costs.items()}, loaded)
    added = _added({name: cost.instructions for name, cost in costs.items()})
    result.figures = [
        Figure(
            "added_instructions",
            "Instructions added to a request",
            "instructions",
            "",
            bars={name: round(value) for name, value in added.items() if name != v.CONTROL},
        )
    ]
    return result


_LOADED: Final = ("Gunicorn", v.FLOOR, v.OURS)


def _count(chosen: Sequence[Variant], scale: Scale, *, pauses: bool = True) -> dict[str, float]:
    drives = [
        (variant, replace(drive_of(variant), requests=scale.counted_requests, pauses=pauses)) for variant in chosen
    ]
    return dict(zip([variant.name for variant in chosen], count_all(drives), strict=True)) if drives else {}


def _time(chosen: Sequence[Variant], counts: dict[str, float], scale: Scale) -> dict[str, Cost]:
    rounds: list[list[float]] = []
    blocks: dict[str, list[float]] = {}
    for number in range(scale.timed_rounds):
        turn = []
        for variant in chosen if number % 2 == 0 else reversed(chosen):
            took = driven(variant, replace(drive_of(variant), requests=scale.timed_requests, warm_up=200))
            turn.append(took.microseconds)
            blocks.setdefault(variant.name, []).append(took.blocks / took.requests)
        rounds.append(turn if number % 2 == 0 else turn[::-1])
    columns = zip(*rounds, strict=True)
    return {
        variant.name: Cost(counts.get(variant.name, math.nan), column, median(blocks[variant.name]))
        for variant, column in zip(chosen, columns, strict=True)
    }


def _added(counts: dict[str, float]) -> dict[str, float]:
    """Instructions that each variant adds to what it is held against."""
    against = {variant.name: variant.against for variant in v.ALL}
    known = {name: count for name, count in counts.items() if not math.isnan(count)}
    return {name: count - known[against[name]] for name, count in known.items() if against[name] in known}


def _table(chosen: Sequence[Variant], costs: dict[str, Cost]) -> Table:
    added = _added({name: cost.instructions for name, cost in costs.items()})
    rows = []
    for variant in chosen:
        cost = costs[variant.name]
        counted = "" if math.isnan(cost.instructions) else f"{cost.instructions:,.0f}"
        row = [variant.name, counted, "", "", f"{median(cost.microseconds):.1f}", "", f"{cost.blocks:.2f}"]
        if variant.name in added:
            row[2] = f"{added[variant.name]:+,.0f}"
            row[3] = f"{added[variant.name] / added[v.FLOOR]:.1f}" if v.FLOOR in added else ""
        if variant.against in costs:
            alone = costs[variant.against]
            row[5] = f"{(ratio(cost.microseconds, alone.microseconds) - 1) * 100:+.1f} %"
        rows.append(row)
    note = "Blocks are what CPython had allocated in the end and not at the beginning, per request."
    if v.CONTROL in costs:
        spread = noise(costs[v.CONTROL].microseconds, costs["Gunicorn"].microseconds)
        note += f" Noise of the CPU time, from the control: {spread * 100:.1f} %."
    columns = ["", "instructions", "added", "floors", "CPU us", "added", "blocks kept"]
    return Table("One request at a time", columns, rows, note)


def _loaded_table(counts: dict[str, float]) -> Table:
    added = _added(counts)
    rows = [[name, f"{count:,.0f}", f"{added[name]:+,.0f}" if name in added else ""] for name, count in counts.items()]
    note = "The next connection is always there, so the sync worker never waits for one, and is never idle."
    return Table("Under full load", ["", "instructions", "added"], rows, note)


_PROFILED: Final = (v.OURS, v.OURS_FLASK, v.OURS_GTHREAD)


def _profiles(chosen: Sequence[Variant], costs: dict[str, Cost], scale: Scale) -> list[Table]:
    """By function of this exporter, what a request executes: where the cost is, and what would have to go."""
    profiled = [variant for variant in chosen if variant.name in _PROFILED]
    counted = {
        variant.name: driven(
            variant, replace(drive_of(variant), requests=scale.counted_requests, traced="gunicorn_prometheus_exporter")
        ).bytecodes
        for variant in profiled
    }
    if not counted:
        return []
    added = _added({name: cost.instructions for name, cost in costs.items()})
    functions = dict.fromkeys(name for bytecodes in counted.values() for name in bytecodes)
    functions = dict(sorted(functions.items(), key=lambda item: -max(c.get(item[0], 0.0) for c in counted.values())))
    rows = [[name, *(f"{found.get(name, 0.0):.0f}" for found in counted.values())] for name in functions]
    totals = {name: sum(bytecodes.values()) for name, bytecodes in counted.items()}
    rows.append(["together", *(f"{total:.0f}" for total in totals.values())])
    each = [f"{added[name] / total:.0f}" if name in added else "" for name, total in totals.items()]
    rows.append(["added instructions for each", *each])
    note = "CPython's bytecodes, counted one by one in a run of their own; Gunicorn's and the framework's are left out."
    return [Table("Where it goes: bytecodes of a request, by function", ["", *counted], rows, note)]


def targets(counts: dict[str, float], loaded: dict[str, float]) -> list[Target]:
    """What the added instructions must be at most, each against its peer of the same framework."""
    added = _added(counts)
    found: list[Target] = []

    def compare(name: str, ours: str, peer: str, limit: float, wanted: str) -> None:
        known = ours in added and peer in added
        found.append(at_most(name, added[ours] / added[peer] if known else None, limit, wanted))

    compare("Added instructions, plain, against the floor", v.OURS, v.FLOOR, 2, "at most 2")
    with_load = _added(loaded)
    full = with_load[v.OURS] / with_load[v.FLOOR] if v.OURS in with_load and v.FLOOR in with_load else None
    found.append(at_most("The same under full load", full, 2, "at most 2"))
    stated = f"at most {2 * STATED_FLOOR:,}, two floors of {STATED_FLOOR:,}"
    found.append(at_most("Added instructions, plain", added.get(v.OURS), 2 * STATED_FLOOR, stated, ""))
    for name, ours in (("Flask", v.OURS_FLASK), ("Django", v.OURS_DJANGO), ("Pyramid", v.OURS_PYRAMID)):
        compare(f"Added instructions, {name} with its bridge, against the floor", ours, v.FLOOR, 3, "at most 3")
    compare("In Redis mode, against file mode", v.OURS_REDIS, v.OURS, 1.05, "at most 1.05")
    compare("gthread, against its floor", v.OURS_GTHREAD, v.FLOOR_GTHREAD, 2, "at most 2")
    compare("Against Gunicorn's statsd", v.OURS, v.STATSD, 1 / 2, "at most 1/2")
    compare("Flask, against prometheus-flask-exporter", v.OURS_FLASK, v.FLASK_EXPORTER, 1 / 5, "at most 1/5")
    compare("Django, against django-prometheus", v.OURS_DJANGO, v.DJANGO_PROMETHEUS, 1 / 12, "at most 1/12")
    compare("Starlette, against starlette_exporter", v.OURS_STARLETTE, v.STARLETTE_EXPORTER, 1, "below 1")
    compare("FastAPI, against prometheus-fastapi-instrumentator", v.OURS_FASTAPI, v.INSTRUMENTATOR, 1, "below 1")
    compare("Against the published exporter 0.2.4", v.OURS, v.PUBLISHED, 1 / 20, "at most 1/20")
    return found
