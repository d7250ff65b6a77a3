"""A Redis as a test uses it: instances that publish to it, a fleet that is read from it, retirers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gunicorn_prometheus_exporter.redis.connection import RedisConnection
from gunicorn_prometheus_exporter.redis.fleet import Fleet
from gunicorn_prometheus_exporter.redis.layout import Keys
from gunicorn_prometheus_exporter.redis.retirer import Limits, Retirer
from gunicorn_prometheus_exporter.settings import Settings, read_settings
from tests.redis.instances import ClusterInstance, Instance


class Store:
    """One Redis, or a cluster: ``client`` is redis-py's, ``environment`` the settings that lead to it."""

    def __init__(self, environment: Mapping[str, str], client: Any, *, prefix: str = "gunicorn") -> None:
        self.environment = {"REDIS_TIMEOUT": "10", **environment}
        self.client = client
        self.prefix = prefix
        self.keys = Keys(prefix)
        self.spare = self.connection()
        """A connection for what is done often."""
        self.one_fleet = self.fleet()
        self.failures: list[BaseException] = []
        """What retirers have reported."""

    def settings(self) -> Settings:
        return read_settings(self.environment)

    def connection(self) -> RedisConnection:
        return RedisConnection(self.settings())

    def instance(self, name: str, **options: Any) -> Instance:
        kind = ClusterInstance if "REDIS_CLUSTER" in self.environment else Instance
        return kind(self.client, name, **{"prefix": self.prefix, **options})

    def fleet(self, **options: Any) -> Fleet:
        return Fleet(self.connection(), self.keys, **options)

    def retirer(self, **limits: Any) -> Retirer:
        return Retirer(
            self.connection(), self.keys, lambda component, error: self.failures.append(error), limits=Limits(**limits)
        )
