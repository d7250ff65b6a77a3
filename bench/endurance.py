"""Scrapes in a long life: after thousands of worker deaths, ten thousand scrapes on, and in the middle of full load."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from . import variants as v
from .load import full_load
from .machine import cores, pinned
from .medians import noise, ratio, slope
from .results import Figure, Line, Result, Table, Target, at_most
from .scale import Scale
from .servers import Server, cpu_seconds, get, memory_kib
from .variants import Variant

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
FLAT_KIB: Final = 256.0
LONGEST_SECONDS: Final = 600.0
# Every slot has had a request to each of so many endpoints when so many workers have died, but for bad luck.
MORTAL_ENDPOINTS: Final = 5
FIRST_DEATHS: Final = 300
ENDPOINTS: Final = 200
SCRAPE_EVERY_SECONDS: Final = 1.0
_SERVER: Final = Variant("this exporter", f"bench.apps.plain:routed({ENDPOINTS})", worker_class=v.OURS_SYNC, path="/7")
# Gunicorn waits up to a tenth of a second between forks, so that workers do not all boot at once.
_FORK_AT_ONCE: Final = """
import types
import gunicorn.arbiter
gunicorn.arbiter.random = types.SimpleNamespace(random=lambda: 0.0)
"""
TEXT: Final = """\
Real servers again. *Deaths*: four workers that each end after one request, so a death a request; CPU time of the master
for a scrape, and what there is on the disk, after the first deaths, which have shown each endpoint to each slot, and
after the last. *Memory*: the master's, while it is scraped as fast as it answers, in both formats, plain and
compressed. *Tail*: wrk at full load, with a scrape a second and without, turn by turn.
"""


def measure(scale: Scale) -> Result:
    """Do all three."""
    result = Result("endurance", "Scrapes in a long life", TEXT)
    for part in (_deaths, _memory, _tail):
        part(scale, result)
    return result


def _deaths(scale: Scale, result: Result) -> None:
    settings = {"workers": 4, "max_requests": 1, "preload_app": True, "loglevel": "error"}
    with Server(_SERVER, os.sched_getaffinity(0), settings=settings, conf=_FORK_AT_ONCE) as server:
        _die(server, min(FIRST_DEATHS, scale.deaths // 2))
        first = _state(server, scale)
        started = time.monotonic()
        died = _die(server, scale.deaths)
        taken = time.monotonic() - started
        last = _state(server, scale)
    columns = ["", "CPU ms a scrape", "samples", "files", "KiB of files", "master KiB"]
    rows = [
        ["after the first deaths", *map(_number, first.values())],
        [f"after {died:,} more", *map(_number, last.values())],
    ]
    note = f"{died / taken:.0f} deaths a second."
    result.tables.append(Table("Deaths", columns, rows, note))
    grown = last["cpu"] / first["cpu"]
    wanted = "at most 1.1 times what it was"
    result.targets.append(at_most(f"CPU of a scrape after {died:,} deaths", grown, 1.1, wanted))
    if died < scale.deaths:
        # What was seen is not what was to be shown.
        result.targets.append(Target("Deaths", f"{died:,}", f"{scale.deaths:,} within {LONGEST_SECONDS:.0f} s", None))
    same = last["files"] == first["files"]
    result.targets.append(Target("Files after the deaths", f"{last['files']:.0f}", f"{first['files']:.0f}", same))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _die(server: Server, deaths: int) -> int:
    """Let as many workers come to their end as there is time for; returns how many."""
    deadline = time.monotonic() + LONGEST_SECONDS
    # In turn, workers and endpoints would go in step.
    endpoints = random.Random(deaths)
    for number in range(deaths):
        endpoint = endpoints.randrange(MORTAL_ENDPOINTS)
        while True:
            if time.monotonic() > deadline:
                return number
            try:
                get(server.port, f"/{endpoint}")
                break
            except (OSError, http.client.HTTPException):
                # The worker whose turn it was is already on its way out.
                time.sleep(0.01)
    return deaths


def _state(server: Server, scale: Scale) -> dict[str, float]:
    time.sleep(2.5)
    scrapes = min(50, scale.scrapes)
    samples = sum(1 for line in server.get().splitlines() if line and not line.startswith(b"#"))
    times = []
    for _ in range(scrapes):
        before = cpu_seconds(server.pid)
        server.get()
        times.append(cpu_seconds(server.pid) - before)
    files = [path for path in (server.home / "metrics").iterdir() if path.suffix in {".db", ".bin"}]
    size = sum(path.stat().st_blocks * 512 for path in files) / 1024
    return {
        # The cheapest: whatever else runs on the machine only ever adds.
        "cpu": min(times) * 1e3,
        "samples": samples,
        "files": len(files),
        "size": size,
        "master": memory_kib(server.pid),
    }


def _memory(scale: Scale, result: Result) -> None:
    step = max(scale.scrapes // 40, 1)
    done: list[float] = []
    memory: list[float] = []
    with Server(_SERVER, os.sched_getaffinity(0), settings={"workers": 2}) as server:
        for number in range(scale.scrapes):
            if number % step == 0:
                # Values change, and nothing is new.
                for endpoint in range(0, ENDPOINTS, 10):
                    get(server.port, f"/{endpoint}")
                done.append(float(number))
                memory.append(memory_kib(server.pid))
            server.get(accept=OPENMETRICS if number % 2 else "", encoding="gzip" if number % 4 > 1 else "identity")
    settled = len(done) // 4
    grown = slope(done[settled:], memory[settled:]) * scale.scrapes
    wanted = f"at most {FLAT_KIB:.0f} KiB over {scale.scrapes:,} scrapes"
    result.targets.append(at_most("Growth of the master's memory", grown, FLAT_KIB, wanted, "KiB"))
    result.figures.append(
        Figure(
            "memory_scrapes",
            "The master's memory",
            "scrapes",
            "MiB",
            [Line("PSS", done, [kib / 1024 for kib in memory])],
        )
    )


def _tail(scale: Scale, result: Result) -> None:
    server_cores, load_cores = cores()
    quiet: list[float] = []
    control: list[float] = []
    scraped: list[float] = []
    with Server(_SERVER, server_cores, settings={"workers": 2}) as server:
        for endpoint in range(ENDPOINTS):
            get(server.port, f"/{endpoint}")

        def p99() -> float:
            return full_load(server.url, load_cores, seconds=2 * scale.load_seconds, connections=4).latency[99]

        for _ in range(scale.load_rounds):
            quiet.append(p99())
            with _scrapes(server, load_cores):
                scraped.append(p99())
            control.append(p99())
    spread = noise(control, quiet)
    rows = [
        [name, f"{median(column) * 1e3:.2f}", f"{(ratio(column, quiet) - 1) * 100:+.1f} %"]
        for name, column in (("without", quiet), ("without again (control)", control), ("with", scraped))
    ]
    note = f"Noise, from the control: {spread * 100:.1f} %."
    result.tables.append(
        Table("p99 at full load, with a scrape a second and without", ["", "ms", "change"], rows, note)
    )
    wanted = f"at most {1 + spread:.2f}, the noise"
    result.targets.append(
        at_most("p99 at full load with scrapes, against without", ratio(scraped, quiet), 1 + spread, wanted)
    )


@contextmanager
def _scrapes(server: Server, load_cores: set[int]) -> Iterator[None]:
    """Scrape once a second as Prometheus would, from another process's core."""
    over = threading.Event()

    def scrape() -> None:
        with pinned(load_cores):
            while not over.wait(SCRAPE_EVERY_SECONDS / 2):
                server.get(accept=OPENMETRICS, encoding="gzip")
                over.wait(SCRAPE_EVERY_SECONDS / 2)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
