"""Connections to real servers, in every way that the settings know; secrets in no message."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping

import pytest

from gunicorn_prometheus_exporter.redis.connection import RedisConnection, RedisTrouble
from gunicorn_prometheus_exporter.settings import SettingsError, read_settings
from tests.e2e.harness import wait_until

SECRET = "s3cr@t/with:signs"
QUOTED = "s3cr%40t%2Fwith%3Asigns"


def connection(**environment: str) -> RedisConnection:
    return RedisConnection(read_settings({"REDIS_ENABLED": "true", "REDIS_TIMEOUT": "5", **environment}))


def ping(**environment: str) -> bool:
    with connection(**environment).exchange() as client:
        return bool(client.ping())


def messages(error: BaseException) -> str:
    """Everything that a log or a traceback of ``error`` could show."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__ if error else "")


@pytest.mark.setting("redis_port", "redis_db")
def test_host_port_and_database(redis_server):
    server = redis_server()
    with connection(REDIS_PORT=str(server.port), REDIS_DB="3").exchange() as client:
        client.set("where", "here")
    assert server.client(db=3).get("where") == b"here"


@pytest.mark.setting("redis_socket", "redis_url")
def test_unix_socket(redis_server):
    server = redis_server(port=0)
    assert ping(REDIS_SOCKET=str(server.socket))
    assert ping(PROMETHEUS_REDIS_URL=f"unix://{server.socket}?db=2")


@pytest.mark.setting("redis_username", "redis_password")
@pytest.mark.parametrize("user", ["", "exporter"])
def test_password_and_acl_user(redis_server, user):
    """The default user's password, and an ACL user who may touch nothing but keys of the prefix."""
    rules = f"{user or 'default'} on >{SECRET} ~gunicorn:* +@all -@dangerous"
    server = redis_server(["--user", *rules.split()])
    named = {"REDIS_USERNAME": user} if user else {}
    port = {"REDIS_PORT": str(server.port)}
    assert ping(**port, **named, REDIS_PASSWORD=SECRET)
    assert ping(PROMETHEUS_REDIS_URL=f"redis://{user}:{QUOTED}@127.0.0.1:{server.port}/0")
    with (
        pytest.raises(RedisTrouble, match=r"(?i)no.?perm|can't access|permission"),
        connection(**port, **named, REDIS_PASSWORD=SECRET).exchange() as client,
    ):
        client.set("other:key", "1")


def test_a_wrong_password_is_said_and_not_shown(redis_server):
    server = redis_server(["--requirepass", "right"])
    for environment in (
        {"REDIS_PORT": str(server.port), "REDIS_PASSWORD": SECRET},
        {"PROMETHEUS_REDIS_URL": f"redis://:{QUOTED}@127.0.0.1:{server.port}/0"},
    ):
        with pytest.raises(RedisTrouble, match=r"(?i)invalid|wrongpass") as caught:
            ping(**environment)
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert SECRET not in messages(caught.value)
        assert QUOTED not in messages(caught.value)


def test_what_a_command_would_store_is_in_no_message(redis_server):
    server = redis_server(["--maxmemory", "1"])
    link = connection(REDIS_PORT=str(server.port))
    with pytest.raises(RedisTrouble) as caught, link.exchange() as client:
        client.pipeline().set("key", SECRET).execute()
    assert "maxmemory" in str(caught.value)
    assert SECRET not in messages(caught.value)


@pytest.mark.setting("redis_host", "redis_ssl", "redis_ssl_ca_certs", "redis_ssl_certfile", "redis_ssl_keyfile")
def test_tls_with_a_client_certificate(redis_server):
    server = redis_server(["--bind", "127.0.0.1", "127.0.0.2"], tls=True)
    files = server.certificates
    tls = {"REDIS_PORT": str(server.port), "REDIS_SSL": "true", "REDIS_SSL_CA_CERTS": str(files.ca)}
    shown = {"REDIS_SSL_CERTFILE": str(files.client), "REDIS_SSL_KEYFILE": str(files.client_key)}
    assert ping(**tls, **shown)
    assert ping(**{**tls, **shown, "REDIS_SSL": "false", "PROMETHEUS_REDIS_URL": server.url})
    with pytest.raises(RedisTrouble):
        ping(**tls)
    with pytest.raises(RedisTrouble, match=r"(?i)certificate verify failed"):
        ping(**{**tls, **shown, "REDIS_SSL_CA_CERTS": str(files.client)})
    with pytest.raises(RedisTrouble, match=r"(?i)certificate verify failed.*match"):
        ping(**tls, **shown, REDIS_HOST="127.0.0.2")


@pytest.mark.setting("redis_timeout")
def test_a_hanging_server_costs_the_timeout(redis_server):
    server = redis_server()
    link = connection(REDIS_PORT=str(server.port), REDIS_TIMEOUT="0.5")
    with link.exchange() as client:
        client.ping()
    server.pause()
    started = time.monotonic()
    with pytest.raises(RedisTrouble, match=r"(?i)time"), link.exchange() as client:
        client.ping()
    assert 0.4 < time.monotonic() - started < 5
    server.resume()
    with link.exchange() as client:
        assert client.ping()


def test_it_connects_again_by_itself(redis_server):
    server = redis_server()
    link = connection(REDIS_PORT=str(server.port))
    with link.exchange() as client:
        client.ping()
    server.stop()
    with pytest.raises(RedisTrouble), link.exchange() as client:
        client.ping()
    server.start()
    with link.exchange() as client:
        assert client.ping()


@pytest.mark.setting("redis_cluster")
def test_cluster(redis_cluster):
    """A transaction goes to the node that has the slot, also after the slot has moved to another one."""
    cluster = redis_cluster()
    link = connection(REDIS_CLUSTER="true", REDIS_PORT=str(cluster.nodes[0].port))
    assert _increment(link, "{web-1}") == 1
    slot = cluster.slot("{web-1}")
    target = next(node for node in cluster.nodes if node is not cluster.owner(slot))
    cluster.migrate(slot, target)
    with pytest.raises(RedisTrouble, match=r"MOVED|[0-9]+ 127"):
        _increment(link, "{web-1}")
    assert _increment(link, "{web-1}") == 2
    with link.exchange() as client, client.pipeline() as pipeline:
        for number in range(100):
            pipeline.set(f"key{number}", number)
        assert all(pipeline.execute())
    assert all(node.client().dbsize() for node in cluster.nodes)


def _increment(link: RedisConnection, tag: str) -> int:
    with link.exchange() as client, link.transaction(client, f"{tag}:count") as pipeline:
        pipeline.watch(f"{tag}:count")
        before = int(pipeline.get(f"{tag}:count") or 0)
        pipeline.multi()
        pipeline.set(f"{tag}:count", before + 1)
        pipeline.get(f"{tag}:count")
        return int(pipeline.execute()[1])


@pytest.mark.setting("redis_sentinel_hosts", "redis_sentinel_service")
def test_sentinel(redis_sentinel):
    """The Sentinel tells where the primary is, also after a failover."""
    group = redis_sentinel()
    link = connection(
        REDIS_SENTINEL_HOSTS=f"127.0.0.1:{group.sentinel.port}", REDIS_SENTINEL_SERVICE=group.SERVICE, REDIS_TIMEOUT="1"
    )
    with link.exchange() as client:
        client.set("before", "1")
        client.wait(1, 1000)
    group.fail_over()

    def writes() -> bool:
        try:
            with link.exchange() as client:
                return bool(client.set("after", "1"))
        except RedisTrouble:
            return False

    wait_until(writes, 20.0, "the new primary takes a write")
    assert group.replica.client().mget("before", "after") == [b"1", b"1"]


def test_a_read_only_replica_says_so(redis_server):
    primary = redis_server()
    replica = redis_server(["--replicaof", "127.0.0.1", str(primary.port)])
    with (
        pytest.raises(RedisTrouble, match=r"(?i)read only"),
        connection(REDIS_PORT=str(replica.port)).exchange() as client,
    ):
        client.set("a", "1")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PROMETHEUS_REDIS_URL": f"http://:{QUOTED}@host"}, "PROMETHEUS_REDIS_URL"),
        ({"PROMETHEUS_REDIS_URL": f"redis://:{QUOTED}@host:port/0"}, "PROMETHEUS_REDIS_URL"),
        ({"PROMETHEUS_REDIS_URL": f"redis://host?pasword={QUOTED}"}, "pasword"),
        ({"PROMETHEUS_REDIS_URL": "unix://"}, "no path"),
        ({"REDIS_SSL": "true", "REDIS_SSL_CA_CERTS": "/nowhere/ca.pem"}, "REDIS_SSL_CA_CERTS.*/nowhere/ca.pem"),
        ({"REDIS_SENTINEL_HOSTS": "a:1"}, "REDIS_SENTINEL_SERVICE"),
        ({"REDIS_SENTINEL_HOSTS": "a:1", "REDIS_SENTINEL_SERVICE": "x", "REDIS_CLUSTER": "true"}, "REDIS_CLUSTER"),
        ({"REDIS_CLUSTER": "true", "REDIS_DB": "2"}, "REDIS_DB"),
        ({"REDIS_CLUSTER": "true", "REDIS_SOCKET": "/redis.sock"}, "REDIS_SOCKET"),
        ({"REDIS_CLUSTER": "true", "PROMETHEUS_REDIS_URL": f"redis://:{QUOTED}@host/2"}, "database 2"),
        ({"REDIS_CLUSTER": "true", "PROMETHEUS_REDIS_URL": "unix:///redis.sock"}, "Unix socket"),
    ],
)
def test_settings_that_no_server_could_be_reached_with(environment: Mapping[str, str], said: str):
    """They are refused at once, by their name, and without a secret."""
    with pytest.raises(SettingsError, match=said) as caught:
        connection(**environment)
    shown = messages(caught.value)
    assert SECRET not in shown
    assert QUOTED not in shown


def test_a_url_wins_over_host_port_and_socket(redis_server):
    server = redis_server()
    assert ping(PROMETHEUS_REDIS_URL=server.url, REDIS_HOST="256.0.0.1", REDIS_PORT="1", REDIS_SOCKET="/nowhere")


def test_a_forked_child_leaves_the_connection_alone(redis_server):
    server = redis_server()
    link = connection(REDIS_PORT=str(server.port))
    with link.exchange() as client:
        before = client.client_id()
    child = os.fork()
    if child == 0:
        link.abandon()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with link.exchange() as client:
        assert client.client_id() == before
