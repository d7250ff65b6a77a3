"""What each setting of Redis does to a real server, from the environment and from YAML."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from gunicorn_prometheus_exporter.redis.layout import Keys, Source, SourceInfo, SourceKeys, parse_field
from tests.e2e.harness import Gunicorn, free_port, wait_until
from tests.e2e.test_settings import APP, given_by
from tests.redis.servers import RedisServer

START = Callable[..., Gunicorn]
START_REDIS = Callable[..., RedisServer]
PREFIX = "shop:metrics"


@pytest.fixture(params=["YAML", "environment"])
def started(request: pytest.FixtureRequest) -> Iterator[START]:
    """Starts a gunicorn with settings that come from there."""
    running: list[Gunicorn] = []

    def start(settings: dict[str, object]) -> Gunicorn:
        port = free_port()
        given = given_by(request.param, {"prometheus.metrics_port": port, "redis.enabled": True, **settings})
        running.append(Gunicorn(APP, metrics_port=port, directory="", **given))
        return running[-1]

    yield start
    for server in running:
        server.remove()


def published(client: redis.Redis, prefix: str) -> tuple[Source, SourceInfo, SourceKeys]:
    """The one source that there is, once it has published something."""
    keys = Keys(prefix)

    def look() -> Any:
        index: Any = client.hgetall(keys.index)
        for field, info in index.items():
            source = parse_field(field.decode())
            if isinstance(source, Source) and client.hgetall(keys.source(source).values):
                return source, SourceInfo.decode(info), keys.source(source)
        return None

    return wait_until(look, 20, "a source in Redis")


@pytest.mark.setting(
    "redis_enabled",
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_password",
    "redis_key_prefix",
    "redis_ttl_seconds",
    "redis_instance_id",
    "node_name",
)
def test_where_and_under_which_names(redis_server: START_REDIS, started: START) -> None:
    """In that database of that server, behind its password, under that prefix, with those names, for that long."""
    server = redis_server(["--requirepass", "hunter2"], password="hunter2")
    gunicorn = started(
        {
            "redis.host": "localhost",
            "redis.port": server.port,
            "redis.db": 3,
            "redis.password": "hunter2",
            "redis.key_prefix": PREFIX,
            "redis.ttl_seconds": 40,
            "redis.instance_id": "web-1",
            "node_name": "rack-7",
        }
    )
    client = server.client(db=3)
    source, info, keys = published(client, PREFIX)
    assert (source.instance, info.node) == ("web-1", "rack-7")
    assert 10_000 < client.pttl(keys.alive) <= 40_000
    assert all(key.startswith(f"{PREFIX}:v1:".encode()) for key in client.scan_iter())
    assert server.client(db=0).dbsize() == 0
    assert gunicorn.scrape().value("gunicorn_info", storage="redis") == 1
    assert "hunter2" not in gunicorn.log()


@pytest.mark.setting("redis_ttl_disabled", "redis_publish_interval")
def test_how_long_and_how_often(redis_server: START_REDIS, started: START) -> None:
    """No end to its life, and nothing new in Redis for half a minute."""
    server = redis_server()
    gunicorn = started({"redis.port": server.port, "redis.ttl_disabled": True, "redis.publish_interval": 30})
    client = server.client()
    _, _, keys = published(client, "gunicorn")
    assert client.pttl(keys.alive) == -1
    before = client.hgetall(keys.values)
    assert gunicorn.get("/200").status == 200
    gunicorn.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 1)
    time.sleep(2.5)
    assert client.hgetall(keys.values) == before


@pytest.mark.setting("redis_ssl", "redis_ssl_ca_certs", "redis_ssl_certfile", "redis_ssl_keyfile")
def test_tls(redis_server: START_REDIS, started: START) -> None:
    """To a Redis that speaks nothing else, and to nobody without a certificate."""
    server = redis_server(tls=True)
    files = server.certificates
    assert files is not None
    started(
        {
            "redis.port": server.port,
            "redis.ssl.enabled": True,
            "redis.ssl.ca_certs": str(files.ca),
            "redis.ssl.certfile": str(files.client),
            "redis.ssl.keyfile": str(files.client_key),
        }
    )
    published(server.client(), "gunicorn")


@pytest.mark.setting("redis_sentinel_hosts", "redis_sentinel_service", "redis_sentinel_password")
def test_sentinel_with_a_password(redis_server: START_REDIS, started: START) -> None:
    """The server is asked for at a Sentinel that talks to nobody without its own password."""
    primary = redis_server()
    sentinel = redis_server(
        sentinel=f"sentinel monitor metrics 127.0.0.1 {primary.port} 1\nrequirepass hunter2\n", password="hunter2"
    )
    started(
        {
            "redis.sentinel.hosts": f"127.0.0.1:{sentinel.port}",
            "redis.sentinel.service": "metrics",
            "redis.sentinel.password": "hunter2",
        }
    )
    published(primary.client(), "gunicorn")


@pytest.mark.setting("redis_scope", "redis_instance_label")
def test_what_the_endpoint_shows(redis_server: START_REDIS, started: START) -> None:
    """All who share the prefix, each under its name."""
    server = redis_server()
    common = {"redis.port": server.port, "redis.scope": "fleet", "redis.publish_interval": 0.1}
    first = started({**common, "redis.instance_id": "web-1", "redis.instance_label": True})
    second = started({**common, "redis.instance_id": "web-2"})
    for requests, gunicorn in enumerate((first, second), 1):
        for _ in range(requests):
            assert gunicorn.get("/200").status == 200
    name = "gunicorn_http_requests_total"
    first.scrape_until(lambda e: [e.total(name, instance_id=f"web-{n}") for n in (1, 2)] == [1, 2], 20)
    assert not second.scrape_until(lambda e: e.total(name) == 3, 20).samples(name, instance_id="web-1")
