"""How costs grow: a request with endpoints, a scrape with workers and series, memory with both; a worker's boot."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM
from statistics import median
from typing import Final

from tests.redis.servers import RedisServer

from . import variants as v
from .apps.plain import paths
from .driver import Drive
from .environments import PROJECT, ROOT, environ
from .fleet import Fleet
from .in_process import count_all, drive_of, driven, memory_directory
from .medians import slope
from .redis_fleet import fleet_times
from .results import Figure, Line, Result, Table, at_most
from .scale import Scale
from .scrapes import CASES, Times, scrape_times
from .servers import Server, get, memory_kib
from .variants import Variant

FIXED_SERIES: Final = 300
FIXED_WORKERS: Final = 16
_CAP: Final = {"PROMETHEUS_MAX_SERIES": "20000"}
_BOOT_CONF: Final = """
import time as _time
def pre_fork(server, worker):
    worker.bench_forked = _time.monotonic()
def post_worker_init(worker):
    with open({file!r}, "a") as file:
        file.write(f"{{_time.monotonic() - worker.bench_forked}} {{_time.process_time()}}\\n")
"""
TEXT: Final = """\
*Endpoints*: an application that names that many routes, asked for each in turn, against the same application alone; the
limit on series is set higher than that. *Scrapes*: CPU time, values changing as above, of the exporter's own metrics.
*Memory* is the proportional set size, which shares out what processes have in common. *Boot* is from before the fork to
when the worker has loaded the application.
"""


def measure(scale: Scale) -> Result:
    """Measure every law."""
    result = Result("growth", "How costs grow", TEXT)
    _endpoints(scale, result)
    _scrapes(scale, result)
    _instances(scale, result)
    _memory(scale, result)
    _boot(scale, result)
    return result


def _endpoints(scale: Scale, result: Result) -> None:
    # Every point is measured at the same age: when the last has met all its endpoints. One more pair is young.
    old = max(scale.endpoints) + 20
    points = [*((endpoints, old) for endpoints in scale.endpoints), (scale.endpoints[0], 20)]
    drives = [_drive(*point, worker_class, scale) for point in points for worker_class in ("sync", v.OURS_SYNC)]
    counts = [math.nan] * len(drives) if scale.counted else count_all(drives)
    alone, ours = counts[::2], counts[1::2]
    added = [with_it - without for with_it, without in zip(ours, alone, strict=True)]
    rows = []
    for place, (endpoints, age) in enumerate(points):
        times = [
            driven(variant, replace(drive, requests=scale.timed_requests)).microseconds
            for variant, drive in drives[2 * place : 2 * place + 2]
        ]
        counted = [f"{alone[place]:,.0f}", f"{ours[place]:,.0f}", f"{added[place]:+,.0f}"]
        rows.append([f"{endpoints:,}, after {age:,} requests", *counted, *(f"{time:.1f}" for time in times)])
    columns = ["endpoints", "alone", "with", "added", "CPU us alone", "with"]
    result.tables.append(Table("Instructions of a request, by endpoints", columns, rows))
    x = [float(endpoints) for endpoints in scale.endpoints]
    title = "Instructions added to a request"
    result.figures.append(
        Figure("endpoints", title, "endpoints", "instructions", [Line("added", x, added[:-1])], log_x=True)
    )
    by_endpoints, by_age = (None, None) if scale.counted else (max(added[:-1]) / added[0], added[0] / added[-1])
    name = f"Added instructions with {max(scale.endpoints):,} endpoints, against one"
    result.targets.append(at_most(name, by_endpoints, 1.1, "at most 1.1"))
    name = f"Added instructions after {old:,} requests, against after 20"
    result.targets.append(at_most(name, by_age, 1.05, "at most 1.05"))


def _drive(endpoints: int, age: int, worker_class: str, scale: Scale) -> tuple[Variant, Drive]:
    variant = _routed(endpoints, worker_class)
    drive = replace(drive_of(variant), paths=paths(endpoints), requests=scale.counted_requests, warm_up=age)
    return variant, drive


def _routed(endpoints: int, worker_class: str) -> Variant:
    target = f"bench.apps.plain:routed({endpoints})"
    return Variant("routed", target, worker_class=worker_class, environ=_CAP, path="/0")


def _scrapes(scale: Scale, result: Result) -> None:
    case = CASES[-1]
    quick = replace(scale, stock_rounds=1)
    by_workers = [scrape_times(case, workers, FIXED_SERIES, quick) for workers in scale.workers]
    by_series = [scrape_times(case, FIXED_WORKERS, series, quick) for series in scale.series]
    result.figures += [
        _scrape_figure(
            "scrape_workers", f"CPU of a scrape, {FIXED_SERIES} series a worker", "workers", scale.workers, by_workers
        ),
        _scrape_figure(
            "scrape_series", f"CPU of a scrape, {FIXED_WORKERS} workers", "series a worker", scale.series, by_series
        ),
    ]
    rows = [
        [f"{workers} workers, {FIXED_SERIES} series each", *_cells(times)]
        for workers, times in zip(scale.workers, by_workers, strict=True)
    ]
    rows += [
        [f"{FIXED_WORKERS} workers, {series:,} series each", *_cells(times)]
        for series, times in zip(scale.series, by_series, strict=True)
    ]
    result.tables.append(Table("CPU milliseconds of a scrape", ["", "stock", "cold", "warm", "unchanged"], rows))


def _cells(times: Times) -> list[str]:
    return [f"{seconds * 1e3:,.1f}" for seconds in (times.stock, times.cold, times.warm, times.unchanged)]


def _scrape_figure(name: str, title: str, x_label: str, points: Sequence[int], times: Sequence[Times]) -> Figure:
    x = [float(point) for point in points]
    columns = {
        "prometheus_client": [found.stock for found in times],
        "cold": [found.cold for found in times],
        "warm": [found.warm for found in times],
        "unchanged": [found.unchanged for found in times],
    }
    lines = [Line(label, x, [seconds * 1e3 for seconds in column]) for label, column in columns.items()]
    return Figure(name, title, x_label, "milliseconds", lines, log_x=True, log_y=True)


def _instances(scale: Scale, result: Result) -> None:
    server = RedisServer()
    try:
        found = {size: fleet_times(server, size) for size in scale.instances}
    finally:
        server.remove()
    rows = [
        [
            f"{size:,} instances",
            *(f"{took.processor:,.1f}" for took in (times.cold, times.warm, times.render)),
            f"{times.warm.clock + times.render.clock:,.1f}",
            f"{times.memory / size / 1024:,.1f}",
        ]
        for size, times in found.items()
    ]
    title = f"Reading a fleet from Redis, {found[scale.instances[0]].series} series an instance"
    columns = ["", "CPU ms to read, first", "to read", "to render", "ms in all", "KiB of Redis an instance"]
    note = "All values of all instances change between two reads, and each read becomes an exposition of their sums."
    result.tables.append(Table(title, columns, rows, note))
    x = [float(size) for size in scale.instances]
    lines = [
        Line("CPU to read", x, [times.warm.processor for times in found.values()]),
        Line("CPU to render", x, [times.render.processor for times in found.values()]),
    ]
    result.figures.append(Figure("instances", title, "instances", "milliseconds", lines, log_x=True, log_y=True))


def _memory(scale: Scale, result: Result) -> None:
    by_workers = [_scraper_memory(workers, FIXED_SERIES) for workers in scale.workers]
    by_series = [_scraper_memory(FIXED_WORKERS, series) for series in scale.series]
    workers_x = [float(workers) for workers in scale.workers]
    series_x = [float(series) for series in scale.series]
    alone, few = _worker_memory("sync", 1), _worker_memory(v.OURS_SYNC, 1)
    many_endpoints = max(scale.endpoints) if scale.name == "check" else 1000
    many = _worker_memory(v.OURS_SYNC, many_endpoints)
    per_series = slope(series_x, [memory for memory, _ in by_series]) * 1024
    rows = [
        ["master: for each further series that all workers have", f"{per_series:,.0f} bytes"],
        [
            f"master: for each further worker with {FIXED_SERIES} series",
            f"{slope(workers_x, [memory for memory, _ in by_workers]):,.1f} KiB",
        ],
        [
            "files: for each further series of a worker",
            f"{slope(series_x, [size for _, size in by_series]) * 1024:,.0f} bytes",
        ],
        ["worker: with one endpoint, more than Gunicorn's own", f"{few - alone:,.0f} KiB"],
        [f"worker: with {many_endpoints:,} endpoints, more than with one", f"{many - few:,.0f} KiB"],
    ]
    result.tables.append(Table("Memory", ["", "grows by"], rows))
    result.figures.append(
        Figure(
            "memory_series",
            f"Memory of a scrape's state, {FIXED_WORKERS} workers",
            "series a worker",
            "MiB",
            [Line("master", series_x, [memory / 1024 for memory, _ in by_series])],
        )
    )


def _scraper_memory(workers: int, series: int) -> tuple[float, float]:
    """KiB that scraping such a directory takes in memory, and KiB of one worker's files."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory_directory()) as name:
        directory = Path(name)
        fleet = Fleet(directory, workers=workers, series=series, families="exporter", own_order=False)
        try:
            command = [sys.executable, "-m", "bench.scraper_memory", name]
            variables = environ(PROJECT, directory)
            said = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout
            return float(said), fleet.bytes_of_one / 1024
        finally:
            fleet.close()


def _worker_memory(worker_class: str, endpoints: int) -> float:
    """KiB of a worker that has served that many endpoints."""
    with Server(_routed(endpoints, worker_class), os.sched_getaffinity(0)) as server:
        for path in paths(endpoints):
            get(server.port, path)
        time.sleep(0.2)
        return memory_kib(server.workers()[0])


def _boot(scale: Scale, result: Result) -> None:
    found: dict[str, list[tuple[float, float]]] = {"Gunicorn": [], "this exporter": []}
    for name, worker_class in (("Gunicorn", "sync"), ("this exporter", v.OURS_SYNC)):
        found[name] = _boots(worker_class, scale.boots)
    rows = []
    for name, boots in found.items():
        wall, cpu = (median(column) * 1e3 for column in zip(*boots, strict=True))
        rows.append([name, f"{wall:.1f}", f"{cpu:.1f}"])
    result.tables.append(Table("Boot of a worker, preloaded application", ["", "ms", "CPU ms"], rows))


def _boots(worker_class: str, boots: int) -> list[tuple[float, float]]:
    """Seconds, and CPU seconds, that each of ``boots`` workers took, one after the other."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        file = Path(directory) / "boots"
        variant = Variant("boot", "bench.apps.plain:bare()", worker_class=worker_class)
        conf = _BOOT_CONF.format(file=str(file))
        with Server(variant, os.sched_getaffinity(0), settings={"preload_app": True}, conf=conf) as server:
            for number in range(1, boots + 1):
                _wait_for_lines(file, number)
                os.kill(server.workers()[0], SIGTERM)
            _wait_for_lines(file, boots + 1)
        lines = file.read_text().splitlines()[1:]
    return [(float(wall), float(cpu)) for wall, cpu in (line.split() for line in lines)]


def _wait_for_lines(file: Path, number: int) -> None:
    deadline = time.monotonic() + 30
    while not file.exists() or len(file.read_text().splitlines()) < number:
        if time.monotonic() > deadline:
            raise RuntimeError(f"worker {number} did not boot")
        time.sleep(0.005)
