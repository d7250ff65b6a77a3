"""What a fleet in Redis costs: reading it, and the load on Redis. ``python -m bench.redis_fleet [INSTANCES ...]``

Instances are simulated: they publish what docs/redis.md says, with 300 series each, and are read by the exporter's own
reader and renderer. The first table reads one server with 32 workers, as a round trip for each value and as it is read
here. A real redis-server on this machine; times are medians, CPU is the server's own (INFO).
"""

from __future__ import annotations

import contextlib
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from gunicorn_prometheus_exporter.catalogue import DURATION_BUCKETS
from gunicorn_prometheus_exporter.redis.connection import RedisConnection
from gunicorn_prometheus_exporter.redis.fleet import Fleet
from gunicorn_prometheus_exporter.redis.layout import Keys
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.settings import read_settings
from tests.redis.instances import Instance, key, request_key
from tests.redis.servers import RedisServer

ENDPOINTS = 20
WORKERS = 32


def main(arguments: list[str]) -> int:
    sizes = [int(argument) for argument in arguments] or [500]
    server = RedisServer()
    try:
        version = server.client().info("server")["redis_version"]
        print(f"Python {platform.python_version()}, Redis {version}, {platform.machine()}, {time.strftime('%Y-%m-%d')}")
        _one_server(server)
        for size in sizes:
            _fleet(server, size)
    finally:
        server.remove()
    return 0


def _one_server(server: RedisServer) -> None:
    client = _emptied(server)
    instance = Instance(client, "web")
    for worker in range(1, WORKERS + 1):
        _count(instance, worker)
    instance.publish()
    series = sum(map(len, instance.segments.values()))
    with client.pipeline(transaction=False) as pipeline:
        for field, entries in instance.segments.items():
            for raw, value in entries.items():
                pipeline.set(f"single:{field}:{raw.decode()}", value)
        pipeline.execute()
    singles = [f"single:{field}:{raw.decode()}" for field, entries in instance.segments.items() for raw in entries]
    one_by_one = _median(3, lambda: [float(client.get(single)) for single in singles])
    fleet = _reader(server)
    cold = _median(1, lambda: _read(fleet))
    values = iter(range(1_000_000))

    def change() -> None:
        for field in instance.segments:
            instance.segments[field][next(iter(instance.segments[field]))] = next(values)
        instance.publish()

    warm = _median(20, lambda: _read(fleet), before=change)
    print(f"\nOne server, {WORKERS} workers, {series} series in all, every segment changed:")
    print(f"  a round trip for each value {one_by_one}")
    for name, took in (("packed, first time", cold), ("packed, then", warm)):
        print(f"  {name:<27} {took}: {one_by_one.clock / took.clock:.0f} times faster")


class FleetTimes(NamedTuple):
    """What so many instances take: `Took` to read and to render them, ``memory`` of Redis in bytes, and its load."""

    series: int
    cold: Took
    warm: Took
    render: Took
    memory: int
    read: dict[str, float]
    published: dict[str, float]


def fleet_times(server: RedisServer, size: int) -> FleetTimes:
    """Publish ``size`` instances to ``server``, emptied, and read them; the load is that of one read, one publish."""
    client = _emptied(server)
    instances = [Instance(client, f"web-{number}") for number in range(size)]
    for instance in instances:
        _count(instance, 1)
        instance.publish()
    series = sum(map(len, instances[0].segments.values()))
    memory = client.info("memory")["used_memory"]
    fleet = _reader(server)
    scraper = Scraper(fleet)
    cold = _median(1, lambda: _read(fleet))
    scraper.render()

    def change() -> None:
        for instance in instances:
            _count(instance, 1)
            instance.publish()

    with _load(client, size) as published:
        change()
    with _load(client, 5) as read:
        for _ in range(5):
            _read(fleet)
    warm = _median(5, lambda: _read(fleet), before=change)

    def change_and_read() -> None:
        change()
        _read(fleet)

    render = _median(5, scraper.render, before=change_and_read)
    total = sum(instance.counted for instance in instances)
    counted = sum(sum(r.values) for r in fleet.readings().readings)
    assert math.isclose(counted, total), (counted, total)
    return FleetTimes(series, cold, warm, render, memory, read, published)


def _fleet(server: RedisServer, size: int) -> None:
    times = fleet_times(server, size)
    print(f"\n{size} instances of {times.series} series each, every one changed between two scrapes:")
    print(f"  reading, first time         {times.cold}")
    print(f"  reading, then               {times.warm}")
    print(f"  derive, merge and render    {times.render}")
    print(f"  memory of Redis {times.memory / 2**20:.1f} MiB, {times.memory / size / 1024:.1f} KiB an instance")
    _say("a scrape", times.read)
    _say("a publish", times.published)


def _say(what: str, load: dict[str, float]) -> None:
    sent, received = (load[name] / 1024 for name in ("sent", "received"))
    commands, cpu = load["commands"], load["cpu"] * 1000
    traffic = f"{sent:.1f} KiB to Redis, {received:.1f} KiB from it"
    print(f"  {what:<10} {commands:.0f} commands, {traffic}, {cpu:.3f} ms of its CPU")


@contextlib.contextmanager
def _load(client: Any, times: int) -> Iterator[dict[str, float]]:
    """What happened to Redis in the block, for one of ``times`` times: the figures are there when it ends."""
    load: dict[str, float] = {}
    before = _figures(client)
    yield load
    load.update({name: (value - before[name]) / times for name, value in _figures(client).items()})


def _figures(client: Any) -> dict[str, float]:
    info = client.info("all")
    return {
        "commands": info["total_commands_processed"],
        "sent": info["total_net_input_bytes"],
        "received": info["total_net_output_bytes"],
        "cpu": info["used_cpu_user"] + info["used_cpu_sys"],
    }


def _count(instance: Instance, worker: int) -> None:
    """A request on each endpoint: a counter and a histogram, as a worker has them. 300 series."""
    for field, values in _REQUESTS.items():
        entries = instance.segments.setdefault(f"{field}_{worker}", {})
        for raw, value in values:
            entries[raw] = entries.get(raw, 0.0) + value
            instance.counted += value


def _requests() -> dict[str, list[tuple[bytes, float]]]:
    """What is added for it: by type of segment, the key and the amount of each series."""
    family = "gunicorn_http_request_duration_seconds"
    counters, histograms = [], []
    for number in range(ENDPOINTS):
        labels = {"method": "GET", "endpoint": f"/api/v1/resource/{number}/<id>"}
        counters.append((request_key(labels["endpoint"]), 1.0))
        bounds = (*map(str, DURATION_BUCKETS[:-1]), "+Inf")
        histograms += [(key(family, f"{family}_bucket", **labels, le=bound), float(bound == "0.1")) for bound in bounds]
        histograms.append((key(family, f"{family}_sum", **labels), 0.07))
    return {"counter": counters, "histogram": histograms}


_REQUESTS: Final = _requests()


def _reader(server: RedisServer) -> Fleet:
    settings = read_settings({"REDIS_PORT": str(server.port), "REDIS_TIMEOUT": "30"})
    return Fleet(RedisConnection(settings), Keys("gunicorn"))


def _read(fleet: Fleet) -> None:
    fleet.refresh()
    fleet.readings()


def _emptied(server: RedisServer) -> Any:
    client = server.client()
    client.flushall()
    return client


class Took(NamedTuple):
    """Medians, in milliseconds: by the clock, and of this process's processor time."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:8.1f} ms, {self.processor:8.1f} ms of CPU"


def _median(times: int, work: Callable[[], object], *, before: Callable[[], object] = lambda: None) -> Took:
    clock, processor = [], []
    for _ in range(times):
        before()
        started, used = time.perf_counter(), time.process_time()
        work()
        processor.append((time.process_time() - used) * 1000)
        clock.append((time.perf_counter() - started) * 1000)
    return Took(statistics.median(clock), statistics.median(processor))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
