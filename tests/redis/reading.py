"""What is in Redis, read by nothing but the layout: to compare with what a reader of the exporter makes of it."""

from __future__ import annotations

import json
from collections import Counter

import redis

from gunicorn_prometheus_exporter.redis.layout import (
    FLEET,
    META,
    Keys,
    Source,
    Total,
    parse_field,
    unpack_keys,
    unpack_values,
)

REQUESTS = "gunicorn_http_requests_total"


def sources(client: redis.Redis, prefix: str = "gunicorn") -> list[Source]:
    """The sources in the index."""
    found = map(parse_field, (field.decode() for field in client.hkeys(Keys(prefix).index)))
    return [source for source in found if isinstance(source, Source)]


def segments(client: redis.Redis, place: Source | Total, prefix: str = "gunicorn") -> dict[str, dict[str, float]]:
    """The values of a source or total, by segment and by the sample's key."""
    keys = Keys(prefix)
    names = keys.source(place) if isinstance(place, Source) else keys.total(place)
    with client.pipeline(transaction=True) as pipeline:
        lists, packed_values = pipeline.hgetall(names.keys).hgetall(names.values).execute()
    found = {}
    for field, packed in packed_values.items():
        if field.decode() != META:
            values, listed = unpack_values(packed), unpack_keys(lists[field])
            assert values.generation == listed.generation
            assert len(values.values) <= len(listed.keys)
            found[field.decode()] = dict(zip(map(bytes.decode, listed.keys), values.values, strict=False))
    return found


def totals(client: redis.Redis, prefix: str = "gunicorn") -> Counter[str]:
    """The samples of all sources and totals together, added up by name."""
    found: Counter[str] = Counter()
    places = {parse_field(field.decode()) for field in client.hkeys(Keys(prefix).index)}
    for place in {*places, FLEET}:
        assert place is not None
        for values in segments(client, place, prefix).values():
            for key, value in values.items():
                found[json.loads(key)[1]] += value
    return found


def requests(client: redis.Redis, prefix: str = "gunicorn") -> float:
    """How many requests Redis has."""
    return totals(client, prefix)[REQUESTS]
