"""A Redis for the variants that publish to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tests.redis.servers import RedisServer

from .variants import Variant


@contextmanager
def with_redis(variants: Sequence[Variant]) -> Iterator[list[Variant]]:
    """``variants``, those with ``redis`` set up to publish to a Redis that lives as long as the context."""
    server = RedisServer()
    try:
        redis = {"REDIS_ENABLED": "true", "REDIS_HOST": server.host, "REDIS_PORT": str(server.port)}
        yield [replace(v, environ={**v.environ, **redis}) if v.redis else v for v in variants]
    finally:
        server.remove()
