"""What a real Gunicorn loses: throughput, latency and CPU time a request; server and load on cores of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from . import variants as v
from .in_process import available
from .load import Load, full_load, steady_load
from .machine import cores, pinned
from .medians import noise, ratio
from .redis_server import with_redis
from .results import Figure, Result, Table, Target, at_least, at_most
from .scale import Scale
from .servers import Server
from .variants import Variant

SYNC_CONNECTIONS: Final = 4
MANY_CONNECTIONS: Final = 16
STEADY_RATE: Final = 600.0
_SYNC: Final = frozenset(variant.name for variant in (*v.PLAIN, *v.FRAMEWORKS))
_STEADY: Final = frozenset(variant.name for variant in v.PLAIN)
TEXT: Final = """\
Each row is a real Gunicorn with one worker. Servers have one half of the cores, the load generator has the other. All
servers run all the time; each is loaded for some seconds, then the next, turn by turn, in changing order. What is shown
are medians over the rounds, and of ratios within a round. *CPU* is the worker's time per request as the kernel counts
it, both in the worker and in the kernel. *Full load* comes from wrk: 4 connections for sync, 16 kept-alive ones for
gthread, with 16 threads, and for event loops. *Steady load* is 600 requests a second, where latency is not the queue's
length, and counts from when a request was due.
"""


@dataclass
class Rounds:
    """What was measured of one server, a value a round."""

    throughput: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    full: dict[int, list[float]] = field(default_factory=dict)
    steady: dict[int, list[float]] = field(default_factory=dict)


def measure(scale: Scale) -> Result:
    """Measure all variants and judge this exporter."""
    server_cores, load_cores = cores()
    there, missing = available(scale.measured)
    rounds = {variant.name: Rounds() for variant in there}
    with pinned(load_cores), with_redis(there) as chosen, ExitStack() as stack:
        servers = {variant.name: stack.enter_context(Server(variant, server_cores)) for variant in chosen}
        _in_turns(chosen, scale.load_rounds, lambda variant: _load(variant, servers, rounds, scale, load_cores))
    spread = {
        "throughput": noise(rounds[v.CONTROL].throughput, rounds["Gunicorn"].throughput),
        "CPU": noise(rounds[v.CONTROL].cpu, rounds["Gunicorn"].cpu),
        "p99": noise(rounds[v.CONTROL].steady[99], rounds["Gunicorn"].steady[99]),
    }
    noted = [f"Left out: {name}." for name in missing]
    result = Result("served", "A real server under load", "\n".join([TEXT, *noted]))
    if server_cores == load_cores:
        result.text += "\n**This machine has one core, which server and load had to share.**\n"
    result.tables = [_table(chosen, rounds, spread)]
    result.targets = targets(rounds, spread)
    added = _added(rounds)
    result.figures = [
        Figure(
            "added_cpu",
            "CPU time added to a request",
            "microseconds",
            "",
            bars={name: round(value * 1e6, 1) for name, value in added.items() if name != v.CONTROL},
        )
    ]
    return result


def _in_turns(chosen: Sequence[Variant], rounds: int, load: Callable[[Variant], None]) -> None:
    for number in range(rounds):
        for variant in chosen if number % 2 == 0 else reversed(chosen):
            load(variant)


def _load(
    variant: Variant, servers: dict[str, Server], rounds: dict[str, Rounds], scale: Scale, load_cores: set[int]
) -> None:
    server, found = servers[variant.name], rounds[variant.name]
    connections = SYNC_CONNECTIONS if variant.name in _SYNC else MANY_CONNECTIONS
    before = server.worker_seconds()
    full = full_load(server.url, load_cores, seconds=scale.load_seconds, connections=connections)
    found.cpu.append((server.worker_seconds() - before) / full.requests)
    found.throughput.append(full.rate)
    _append(found.full, full)
    if variant.name in _STEADY:
        _append(found.steady, steady_load(server.port, seconds=scale.load_seconds, rate=STEADY_RATE, path=server.path))


def _append(column: dict[int, list[float]], load: Load) -> None:
    for share, seconds in load.latency.items():
        column.setdefault(share, []).append(seconds)


def _added(rounds: dict[str, Rounds]) -> dict[str, float]:
    """CPU seconds a request that each variant adds to what it is held against."""
    against = {variant.name: variant.against for variant in v.ALL}
    return {
        name: median(own - other for own, other in zip(found.cpu, rounds[against[name]].cpu, strict=True))
        for name, found in rounds.items()
        if against[name] in rounds
    }


def _table(chosen: Sequence[Variant], rounds: dict[str, Rounds], spread: dict[str, float]) -> Table:
    rows = []
    for variant in chosen:
        found, alone = rounds[variant.name], rounds.get(variant.against)
        rows.append(
            [
                variant.name,
                f"{median(found.throughput):,.0f}",
                _change(found.throughput, alone.throughput, spread["throughput"]) if alone else "",
                f"{median(found.cpu) * 1e6:.1f}",
                _change(found.cpu, alone.cpu, spread["CPU"]) if alone else "",
                _milliseconds(found.full),
                _milliseconds(found.steady),
                _change(found.steady[99], alone.steady[99], spread["p99"]) if alone and found.steady else "",
            ]
        )
    note = "Noise, from the control: " + ", ".join(f"{name} {share * 100:.1f} %" for name, share in spread.items())
    note += ". A difference within it is written *noise*."
    percentiles = "ms at 50, 90, 99 %"
    columns = ["", "requests/s", "change", "CPU us", "change", f"full: {percentiles}", f"steady: {percentiles}", "p99"]
    return Table("One worker, over sockets", columns, rows, note)


def _change(values: Sequence[float], reference: Sequence[float], spread: float) -> str:
    change = ratio(values, reference) - 1
    return f"noise ({change * 100:+.1f} %)" if abs(change) <= spread else f"{change * 100:+.1f} %"


def _milliseconds(column: dict[int, list[float]]) -> str:
    return " / ".join(f"{median(seconds) * 1e3:.2f}" for seconds in column.values())


def targets(rounds: dict[str, Rounds], spread: dict[str, float]) -> list[Target]:
    """No added tail, threads as good as sync, and the ratios of CPU time to the peers."""
    added = _added(rounds)
    bare, ours = rounds["Gunicorn"], rounds[v.OURS]
    limit = 1 + spread["p99"]
    found = [
        at_most(
            "p99 at steady load, against Gunicorn alone",
            ratio(ours.steady[99], bare.steady[99]),
            limit,
            f"at most {limit:.2f}, the noise",
        )
    ]
    sync = ratio(ours.throughput, bare.throughput)
    threaded = ratio(rounds[v.OURS_GTHREAD].throughput, rounds["Gunicorn gthread"].throughput)
    least = sync - spread["throughput"]
    wanted = f"at least {least:.2f}, what sync keeps less the noise"
    found.append(at_least("Throughput that gthread with 16 threads keeps", threaded, least, wanted, "of Gunicorn's"))

    def compare(name: str, mine: str, peer: str, most: float, text: str) -> None:
        known = mine in added and peer in added and added[peer] > 0
        found.append(at_most(f"Added CPU time, {name}", added[mine] / added[peer] if known else None, most, text))

    compare("against Gunicorn's statsd", v.OURS, v.STATSD, 1 / 2, "at most 1/2")
    compare("Flask, against prometheus-flask-exporter", v.OURS_FLASK, v.FLASK_EXPORTER, 1 / 5, "at most 1/5")
    compare("Django, against django-prometheus", v.OURS_DJANGO, v.DJANGO_PROMETHEUS, 1 / 12, "at most 1/12")
    compare("Starlette, against starlette_exporter", v.OURS_STARLETTE, v.STARLETTE_EXPORTER, 1, "below 1")
    compare("FastAPI, against prometheus-fastapi-instrumentator", v.OURS_FASTAPI, v.INSTRUMENTATOR, 1, "below 1")
    compare("against the published exporter 0.2.4", v.OURS, v.PUBLISHED, 1 / 20, "at most 1/20")
    return found
