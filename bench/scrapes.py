"""The work of a scrape, next to prometheus_client's own on the same directory."""

from __future__ import annotations

import gzip
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper

from .fleet import Families, Fleet
from .in_process import memory_directory
from .results import Result, Table, Target, at_least
from .scale import Scale

TEXT: Final = """\
One process scrapes a directory that many workers wrote; nothing else runs in it. What counts is CPU time. *Stock* is
prometheus_client's `MultiProcessCollector` and `generate_latest`, with a new registry as its documentation shows.
*Cold* is the first scrape of a new process, *warm* any later one. Between any two scrapes every value of every worker
changes: counters and buckets by whole numbers, sums by fractions; *unchanged* is a scrape without. Each sample that
stock gives is compared with ours in the same run.
"""
_STEPS_NOTE: Final = """\
Of twenty bytes of the files one is of a value, and most are keys; but files are copied whole, since a mapped file that
somebody cuts off would end the reader. Where workers have the same entries in the same order, each series is a column
in memory, which is added up without an object for each value. In an order of their own, each value becomes an object,
is brought into the common order and added up: those 64,000 objects are what *merging* takes there, and *deriving* what
is shown by worker. *Writing lines* is mostly the shortest text of each number, which C makes."""
WARM: Final = 25.0
COLD: Final = 2.5
# Longer than a directory's time stamps are coarse: until then, files may still come under the same stamp.
_SETTLE_SECONDS: Final = 2.2


@dataclass(frozen=True)
class Case:
    """One kind of directory."""

    name: str
    families: Families
    own_order: bool


CASES: Final = (
    Case("an application's metrics", "application", False),
    Case("an application's metrics, each worker in its own order", "application", True),
    Case("the exporter's own metrics, with those by worker", "exporter", False),
)


@dataclass(frozen=True)
class Times:
    """CPU seconds of a scrape, and the size of the exposition in bytes."""

    stock: float
    cold: float
    warm: float
    openmetrics: float
    unchanged: float
    exposition: bytes
    steps: dict[str, float]
    """Of a warm scrape, CPU seconds by step."""


class WrongExposition(Exception):
    """A sample is missing or another than prometheus_client's."""


def measure(scale: Scale) -> Result:
    """Time all cases and judge them."""
    times = {case.name: scrape_times(case, scale.scrape_workers, scale.scrape_series, scale) for case in CASES}
    result = Result("scrape", "A scrape, next to prometheus_client's", TEXT)
    result.tables = [
        _table(times, f"{scale.scrape_workers} workers with {scale.scrape_series:,} series each"),
        _steps_table(times),
        _gzip_table(times[CASES[0].name].exposition),
    ]
    result.targets = [target for name, found in times.items() for target in _targets(name, found)]
    return result


def scrape_times(case: Case, workers: int, series: int, scale: Scale, *, stock: bool = True) -> Times:
    """Time scrapes of a fresh directory; ``Times.stock`` is not a number without ``stock``. Raises WrongExposition."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory_directory()) as directory:
        fleet = Fleet(Path(directory), workers=workers, series=series, families=case.families, own_order=case.own_order)
        try:
            time.sleep(_SETTLE_SECONDS)
            return _time(fleet, directory, scale, stock)
        finally:
            fleet.close()


def _time(fleet: Fleet, directory: str, scale: Scale, stock: bool) -> Times:
    scraper = Scraper(DirectorySource(directory))
    scraper.render()
    ways: dict[str, tuple[Callable[[], bytes], int, Callable[[], None]]] = {
        "cold": (lambda: Scraper(DirectorySource(directory)).render(), 1, fleet.change),
        "warm": (scraper.render, scale.scrape_rounds, fleet.change),
        "openmetrics": (lambda: scraper.render(openmetrics=True), scale.scrape_rounds, fleet.change),
        "unchanged": (scraper.render, scale.scrape_rounds, lambda: None),
    }
    if stock:
        ways["stock"] = (lambda: _stock(directory), 1, fleet.change)
    taken: dict[str, list[float]] = {"stock": []}
    # All in turn, so that what slows the machine down for a while slows all of them down.
    for _ in range(scale.stock_rounds):
        for name, way in ways.items():
            taken.setdefault(name, []).extend(_cpu(*way))
    if stock:
        _compare(_stock(directory), scraper.render())
    medians = {name: median(seconds) if seconds else math.nan for name, seconds in taken.items()}
    return Times(**medians, exposition=scraper.render(), steps=_steps(fleet, scraper, directory, scale.scrape_rounds))


def _steps(fleet: Fleet, scraper: Scraper, directory: str, rounds: int) -> dict[str, float]:
    """Where a warm scrape spends its time. ``copying files`` is what the system takes to open and read them."""
    segments = DirectorySource(directory).scan()
    memories = [memoryview(bytearray(len(segment.read()))) for segment in segments]

    def copy() -> bytes:
        for segment, memory in zip(segments, memories, strict=True):
            segment.read_into(memory)
        return b""

    taken: dict[str, list[float]] = {"copying files": _cpu(copy, rounds, fleet.change)}
    steps = {
        "reading": (scraper._reader, "read"),
        "deriving": (scraper._deriver, "derive"),
        "merging": (scraper._merger, "merge"),
        "writing lines": (scraper._renderer, "text"),
    }
    for name, (part, method) in steps.items():
        setattr(part, method, _timed(getattr(part, method), taken.setdefault(name, [])))
    taken["all"] = _cpu(scraper.render, rounds, fleet.change)
    for part, method in steps.values():
        delattr(part, method)
    found = {name: median(seconds) for name, seconds in taken.items()}
    found["reading"] = max(found["reading"] - found["copying files"], 0.0)
    return found


def _timed(step: Callable[..., Any], taken: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        started = time.process_time()
        try:
            return step(*arguments)
        finally:
            taken.append(time.process_time() - started)

    return timed


def _cpu(scrape: Callable[[], bytes], rounds: int, before: Callable[[], None]) -> list[float]:
    taken = []
    for _ in range(rounds):
        before()
        started = time.process_time()
        scrape()
        taken.append(time.process_time() - started)
    return taken


def _stock(directory: str) -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)
    return generate_latest(registry)


def _compare(stock: bytes, ours: bytes) -> None:
    mine = _samples(ours)
    for name, value in _samples(stock).items():
        if name not in mine or not math.isclose(mine[name], value, rel_tol=1e-12):
            raise WrongExposition(f"{name}: {value}, but ours is {mine.get(name)}")


def _samples(exposition: bytes) -> dict[str, float]:
    lines = [line for line in exposition.decode().splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def _table(times: dict[str, Times], title: str) -> Table:
    rows = []
    for name, found in times.items():
        cells = [found.stock, found.cold, found.warm, found.openmetrics, found.unchanged]
        rows.append([name, *(f"{seconds * 1e3:,.1f}" for seconds in cells), f"{len(found.exposition) / 1024:,.0f}"])
        rows.append(["  times faster", "", *(f"{found.stock / seconds:.1f}" for seconds in cells[1:]), ""])
    return Table(title, ["CPU ms", "stock", "cold", "warm", "OpenMetrics", "unchanged", "KiB"], rows)


def _steps_table(times: dict[str, Times]) -> Table:
    names = list(next(iter(times.values())).steps)
    rows = [
        [
            case,
            *(f"{found.steps[name] * 1e3:.1f} ({found.steps[name] / found.steps['all']:.0%})" for name in names[:-1]),
        ]
        for case, found in times.items()
    ]
    return Table("Where a warm scrape spends its time", ["CPU ms", *names[:-1]], rows, _STEPS_NOTE)


def _targets(name: str, found: Times) -> list[Target]:
    return [
        at_least(f"Warm, {name}", found.stock / found.warm, WARM, f"at least {WARM:g} times faster than stock"),
        at_least(f"Cold, {name}", found.stock / found.cold, COLD, f"at least {COLD:g} times faster than stock"),
    ]


def _gzip_table(exposition: bytes) -> Table:
    rows = []
    for level in (1, 3, 6, 9):
        started = time.process_time()
        packed = gzip.compress(exposition, level, mtime=0)
        taken = time.process_time() - started
        rows.append(
            [str(level), f"{taken * 1e3:.1f}", f"{len(packed) / 1024:,.0f}", f"{len(exposition) / len(packed):.0f}"]
        )
    note = "Over 1 Gbit/s, a millisecond is 122 KiB. The endpoint uses level 1."
    return Table("gzip of the first exposition", ["level", "CPU ms", "KiB", "times smaller"], rows, note)
