"""Fixtures: real Redis servers, see `tests.redis.servers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.redis.servers import RedisCluster, RedisServer, SentinelGroup


@pytest.fixture
def redis_server() -> Iterator[Callable[..., RedisServer]]:
    """Starts a redis-server: see `tests.redis.servers.RedisServer`."""
    yield from _starting(RedisServer)


@pytest.fixture
def redis_cluster() -> Iterator[Callable[..., RedisCluster]]:
    """Starts a cluster of three nodes."""
    yield from _starting(RedisCluster)


@pytest.fixture
def redis_sentinel() -> Iterator[Callable[..., SentinelGroup]]:
    """Starts a primary, a replica and a Sentinel."""
    yield from _starting(SentinelGroup)


def _starting(kind: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    running: list[Any] = []

    def start(*args: Any, **options: Any) -> Any:
        running.append(kind(*args, **options))
        return running[-1]

    yield start
    for server in running:
        server.remove()
