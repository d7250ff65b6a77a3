"""Many instances in one Redis, as their publishers leave them, and what it takes to read them all."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import redis

from gunicorn_prometheus_exporter.redis.layout import Keys, Source, SourceInfo, pack_keys, pack_values
from gunicorn_prometheus_exporter.redis.view import fleet_of
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.settings import read_settings

from .fleet import exporter_blocks
from .redis_server import redis_server

WORKERS: Final = 4
_HELP: Final = "Something that is counted or measured."
_PREFIX: Final = "bench"


@dataclass(frozen=True)
class Read:
    """Seconds of a read of all instances and its exposition: by the clock, and of this process's CPU."""

    wall: float
    cpu: float
    cold_cpu: float
    samples: int


class _Instance:
    """One instance of `WORKERS` workers, published as documented."""

    def __init__(self, client: Any, number: int, series: int) -> None:
        self._client = client
        self._source = Source(f"instance-{number}", f"{number:016x}")
        self._names = Keys(_PREFIX).source(self._source)
        self._chance = random.Random(number)
        self._keys: dict[str, list[bytes]] = {}
        for kind, entries in exporter_blocks(series):
            self._keys.setdefault(kind, []).extend(
                json.dumps([*entry, _HELP], sort_keys=True).encode() for entry in entries
            )
        self.publish(first=True)

    def publish(self, *, first: bool = False) -> None:
        """Publish with all values changed."""
        pipeline = self._client.pipeline(transaction=True)
        for worker in range(1, WORKERS + 1):
            for kind, keys in self._keys.items():
                values = [float(self._chance.randrange(10_000)) for _ in keys]
                pipeline.hset(self._names.values, f"{kind}_{worker}", pack_values(1, values))
                if first:
                    pipeline.hset(self._names.keys, f"{kind}_{worker}", pack_keys(1, keys))
        pipeline.set(self._names.alive, 1)
        pipeline.incr(self._names.seq)
        pipeline.execute()
        if first:
            info = SourceInfo(node="", host=socket.gethostname(), started=1.0, version="1")
            self._client.hset(Keys(_PREFIX).index, self._source.field, info.encode())


def read_times(numbers: Sequence[int], series: int, rounds: int) -> list[Read]:
    """What it takes to read so many instances of ``series`` series a worker, all of whose values change in between."""
    found = []
    with redis_server() as port:
        client = redis.Redis(port=port)
        environ = {"REDIS_ENABLED": "true", "REDIS_PORT": str(port), "REDIS_KEY_PREFIX": _PREFIX}
        settings = read_settings({**environ, "REDIS_HOST": "127.0.0.1"})
        instances: list[_Instance] = []
        for number in sorted(numbers):
            instances += [_Instance(client, place, series) for place in range(len(instances), number)]
            found.append(_read(settings, instances, rounds))
        client.close()
    return found


def _read(settings: Any, instances: Sequence[_Instance], rounds: int) -> Read:
    fleet = fleet_of(settings, scope="fleet")
    scraper = Scraper(fleet)
    walls, cpus = [], []
    text = b""
    for _ in range(rounds + 1):
        for instance in instances:
            instance.publish()
        wall, cpu = time.perf_counter(), time.process_time()
        fleet.refresh()
        text = scraper.render()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    samples = sum(1 for line in text.splitlines() if line and not line.startswith(b"#"))
    return Read(median(walls[1:]), median(cpus[1:]), cpus[0], samples)
