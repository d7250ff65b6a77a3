"""Instances that are only their numbers: they publish as docs/redis.md says, without a Gunicorn."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from gunicorn_prometheus_exporter.redis.layout import (
    Keys,
    Source,
    SourceInfo,
    new_incarnation,
    pack_keys,
    pack_values,
    unpack_values,
)
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.e2e.exposition import Exposition

REQUESTS = "gunicorn_http_requests_total"


def key(metric: str, sample: str, **labels: str) -> bytes:
    return json.dumps([metric, sample, labels, "Help."], sort_keys=True).encode()


def request_key(endpoint: str = "/", status: str = "200") -> bytes:
    return key("gunicorn_http_requests", REQUESTS, method="GET", endpoint=endpoint, status=status)


class Instance:
    """One instance; ``segments`` is what it has counted: field of the segment, key, value."""

    def __init__(
        self, client: Any, name: str, *, prefix: str = "gunicorn", node: str = "", ttl: float | None = 300.0
    ) -> None:
        self.client = client
        self.keys = Keys(prefix)
        self.name = name
        self.node = node
        self.ttl = ttl
        self.segments: dict[str, dict[bytes, float]] = {}
        self.counted = 0.0
        self.become(new_incarnation())

    def become(self, incarnation: str) -> None:
        self.source = Source(self.name, incarnation)
        self.names = self.keys.source(self.source)
        self._published: dict[str, tuple[dict[bytes, float], int]] = {}

    def count(self, amount: float = 1.0, *, segment: str = "counter_1", raw_key: bytes | None = None) -> None:
        entries = self.segments.setdefault(segment, {})
        entry = request_key() if raw_key is None else raw_key
        entries[entry] = entries.get(entry, 0.0) + amount
        self.counted += amount

    def publish(self) -> bool:
        """Write what has changed, in one transaction. False if the source turns out to be retired."""
        with self.transaction() as pipeline:
            for field, entries in self.segments.items():
                old, keys = self._published.get(field, ({}, 0))
                if old != entries:
                    timed = field.startswith(("info", "stateset")) or "mostrecent" in field
                    stamps = [time.time()] * len(entries) if timed else None
                    pipeline.hset(self.names.values, field, pack_values(1, list(entries.values()), stamps))
                if keys != len(entries):
                    pipeline.hset(self.names.keys, field, pack_keys(1, list(entries)))
            if self.ttl is None:
                pipeline.set(self.names.alive, 1)
            else:
                pipeline.set(self.names.alive, 1, px=int(self.ttl * 1000))
            pipeline.incr(self.names.seq)
            pipeline.exists(self.names.gone)
            gone = pipeline.execute()[-1]
        if gone:
            return False
        self._published = {field: (dict(entries), len(entries)) for field, entries in self.segments.items()}
        info = SourceInfo(node=self.node, host=self.name, started=1.0, version="1")
        self.client.hset(self.keys.index, self.source.field, info.encode())
        return True

    def transaction(self) -> Any:
        return self.client.pipeline(transaction=True)

    def publish_again(self) -> None:
        """As a publisher does: if it was retired meanwhile, it goes on as another with what has not been counted."""
        while not self.publish():
            final = self.client.hgetall(self.names.final_values)
            for field, entries in self.segments.items():
                packed = final.get(field.encode())
                counted = unpack_values(packed).values if packed is not None else ()
                if field.startswith(("counter", "histogram", "summary")):
                    for entry, value in zip(list(entries), counted, strict=False):
                        entries[entry] -= value
            self.become(new_incarnation())

    def die(self) -> None:
        """As after the TTL."""
        self.client.delete(self.names.alive)

    def end(self) -> None:
        """As a publisher that ends by itself."""
        self.client.delete(self.names.alive)
        self.client.delete(self.names.seq)


class ClusterInstance(Instance):
    """One whose keys are on one node of a cluster, by their hash tag."""

    def transaction(self) -> Any:
        node = self.client.get_node_from_key(self.names.values)
        return self.client.get_redis_connection(node).pipeline(transaction=True)


def scrape(fleet: Any, **options: Any) -> Exposition:
    """What a fleet's endpoint would say now."""
    fleet.refresh()
    return Exposition(Scraper(fleet, **options).render().decode(), openmetrics=False)


def total(fleet: Any, sample: str = REQUESTS, **labels: str) -> float:
    return scrape(fleet).total(sample, **labels)


def counted(fleet: Any) -> float:
    """The sum of all counters in a fleet that is read now."""
    fleet.refresh()
    return float(sum(sum(r.values) for r in fleet.readings().readings if r.name.kind == "counter"))


def samples(fleet: Any, sample: str) -> Mapping[tuple[tuple[str, str], ...], float]:
    return {tuple(sorted(s.labels.items())): s.value for s in scrape(fleet).samples(sample)}
