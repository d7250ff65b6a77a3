"""Fixtures: real Redis servers, see `tests.redis.servers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import gunicorn, pytest_runtest_makereport
from tests.redis.exporter import Exporter
from tests.redis.servers import RedisCluster, RedisServer, SentinelGroup
from tests.redis.stores import Store

__all__ = ["gunicorn", "pytest_runtest_makereport"]


@pytest.fixture
def exporter() -> Iterator[Callable[..., Exporter]]:
    """Starts ``gunicorn-prometheus-exporter serve``: see `tests.redis.exporter.Exporter`."""
    running: list[Exporter] = []

    def start(*args: Any, **options: Any) -> Exporter:
        running.append(Exporter(*args, **options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


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


@pytest.fixture(scope="module")
def shared_redis() -> Iterator[RedisServer]:
    """One redis-server for the tests of a module."""
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def store(shared_redis: RedisServer) -> Store:
    """An empty Redis, and what connects to it."""
    shared_redis.client().flushall()
    return Store({"REDIS_PORT": str(shared_redis.port)}, shared_redis.client())


@pytest.fixture(params=["alone", "cluster"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """As `store`, with one server and with a cluster of three."""
    store: Store = request.getfixturevalue("store" if request.param == "alone" else "cluster_store")
    return store


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    cluster = RedisCluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def cluster_store(shared_cluster: RedisCluster) -> Store:
    """An empty Redis Cluster, and what connects to it."""
    for node in shared_cluster.nodes:
        node.client().flushall()
    environment = {"REDIS_PORT": str(shared_cluster.nodes[0].port), "REDIS_CLUSTER": "true"}
    return Store(environment, shared_cluster.client())
