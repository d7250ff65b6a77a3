"""``gunicorn-prometheus-exporter serve``, started as a user would, before real Gunicorns and real Redis servers."""

from __future__ import annotations

import re
import time
from signal import SIGINT, SIGTERM

import pytest

from tests.e2e.harness import ROOT, free_port, wait_until
from tests.redis.instances import REQUESTS
from tests.redis.network import DistantRedis
from tests.redis.servers import RedisServer
from tests.redis.stores import Store

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
FAST = {"REDIS_ENABLED": "true", "REDIS_PUBLISH_INTERVAL": "0.1"}


def test_a_directory_that_a_gunicorn_writes_to(gunicorn, exporter):
    """A sidecar shows what the server's own endpoint would."""
    server = gunicorn(APP, env={"SIDECAR_MODE": "true"}, serves=False)
    sidecar = exporter({"PROMETHEUS_MULTIPROC_DIR": str(server.directory)})
    for _ in range(5):
        server.get()
    seen = sidecar.scrape_until(lambda e: e.total(REQUESTS) == 5)
    assert seen.value("gunicorn_worker_requests_total", worker_id="1") == 5
    assert seen.value("gunicorn_info", storage="file") == 1
    assert not seen.samples("gunicorn_exporter_redis_up")
    assert sidecar.get("/-/ready")[0] == 200


def test_the_fleet_a_node_and_an_instance(gunicorn, exporter, redis_server):
    """Two servers in one Redis, in every scope and by label; one ends for good, and its counts stay."""
    redis = {**FAST, "REDIS_PORT": str(redis_server().port)}
    servers = [
        gunicorn(APP, env={**redis, "PROMETHEUS_INSTANCE_ID": f"web-{n}", "NODE_NAME": f"node-{n}"}, directory="")
        for n in (1, 2)
    ]
    fleet = exporter(redis)
    by_label = exporter({**redis, "REDIS_INSTANCE_LABEL": "true"})
    node = exporter({**redis, "REDIS_SCOPE": "node", "NODE_NAME": "node-1"})
    instance = exporter({**redis, "REDIS_SCOPE": "instance", "PROMETHEUS_INSTANCE_ID": "web-2"})
    for number, server in enumerate(servers, 1):
        for _ in range(number):
            server.get()
    seen = fleet.scrape_until(lambda e: e.total(REQUESTS) == 3)
    assert seen.total("gunicorn_workers", state="idle") == 2
    labelled = by_label.scrape()
    assert [labelled.total(REQUESTS, instance_id=f"web-{n}") for n in (1, 2)] == [1, 2]
    assert node.scrape().total(REQUESTS) == 1
    assert instance.scrape().total(REQUESTS) == 2
    # Its own endpoint shows the instance.
    assert servers[0].scrape().total(REQUESTS) == 1

    servers[0].stop()
    wait_until(lambda: "carried" in str(Store(redis, _client(redis)).client.keys("*")), 20.0, "it was retired")
    seen = fleet.scrape()
    assert seen.total(REQUESTS) == 3
    assert seen.total("gunicorn_workers", state="idle") == 1
    assert by_label.scrape().total(REQUESTS, instance_id="web-1") == 1


def _client(environment):
    import redis

    return redis.Redis(port=int(environment["REDIS_PORT"]))


def test_redis_may_come_later_and_go_again(exporter):
    """It starts without, serves what it has, says so once, and needs no restart."""
    port = free_port()
    serve = exporter({**FAST, "REDIS_PORT": str(port), "REDIS_TIMEOUT": "0.5"})
    seen = serve.scrape()
    assert seen.value("gunicorn_exporter_redis_up") == 0
    assert seen.value("gunicorn_exporter_errors_total", component="serve") >= 1
    assert serve.get("/-/ready")[0] == 503
    server = RedisServer(port=port)
    try:
        instance = Store({"REDIS_PORT": str(port)}, server.client()).instance("web")
        instance.count(7)
        instance.publish()
        seen = serve.scrape_until(lambda e: e.total(REQUESTS) == 7)
        assert seen.value("gunicorn_exporter_redis_up") == 1
        assert serve.get("/-/ready")[0] == 200
        server.pause()
        seen = serve.scrape()
        assert (seen.value("gunicorn_exporter_redis_up"), seen.total(REQUESTS)) == (0, 7)
        serve.scrape()
        server.resume()
        serve.scrape_until(lambda e: e.value("gunicorn_exporter_redis_up") == 1)
    finally:
        server.remove()
    assert serve.log().count("Redis cannot be read") == 2
    assert serve.log().count("can be read again") == 2
    assert "Traceback" not in serve.log()


@pytest.mark.parametrize("signum", [SIGTERM, SIGINT])
def test_a_signal_ends_it(exporter, redis_server, signum):
    """Also while Redis hangs."""
    server = redis_server()
    serve = exporter({**FAST, "REDIS_PORT": str(server.port)})
    serve.scrape()
    server.pause()
    assert serve.stop(signum) == 0
    assert "Traceback" not in serve.log()


def test_what_it_exits_with(exporter, tmp_path):
    """1 and a line on what is wrong if it cannot start, 2 if it is used wrongly."""
    config = tmp_path / "exporter.yml"
    config.write_text(f"exporter: {{prometheus: {{multiproc_dir: {tmp_path}, metrics_port: 1234}}}}")
    good = exporter({}, args=["--config", str(config)])
    assert good.scrape().samples("gunicorn_exporter_series")

    for env, args, status, said in (
        ({}, [], 1, "PROMETHEUS_MULTIPROC_DIR"),
        ({"REDIS_ENABLED": "maybe"}, [], 1, "REDIS_ENABLED"),
        ({"PROMETHEUS_METRICS_PORT": str(good.port)}, ["--config", str(config)], 1, "in use"),
        ({}, ["--config", str(tmp_path / "none.yml")], 1, "none.yml"),
        ({}, ["--nonsense"], 2, "usage"),
        ({**FAST, "PROMETHEUS_REDIS_URL": "redis://:s3cret@h:x/"}, [], 1, "PROMETHEUS_REDIS_URL"),
    ):
        bad = exporter(env, args=args, wait=False)
        assert bad.process.wait(20) == status
        assert said in bad.log()
        assert "Traceback" not in bad.log()
        assert "s3cret" not in bad.log()


def test_tls_and_an_acl_user_with_the_fewest_rights(gunicorn, exporter, redis_server):
    """The rights that docs/redis.md names are enough for everything that servers and exporters do."""
    page = (ROOT / "docs" / "redis.md").read_text()
    rules = re.search(r"^user (exporter on .*)$", page, flags=re.MULTILINE)
    assert rules is not None
    server = redis_server(
        ["--user", *rules[1].replace("PASSWORD", "s3cret").split(), "--user", "default", "on", ">other", "~*", "+@all"],
        tls=True,
        password="other",
    )
    files = server.certificates
    redis = {
        **FAST,
        "PROMETHEUS_REDIS_URL": f"rediss://exporter:s3cret@127.0.0.1:{server.port}/0",
        "REDIS_SSL_CA_CERTS": str(files.ca),
        "REDIS_SSL_CERTFILE": str(files.client),
        "REDIS_SSL_KEYFILE": str(files.client_key),
    }
    first = gunicorn(APP, env={**redis, "PROMETHEUS_INSTANCE_ID": "web-1"}, directory="")
    serve = exporter(redis)
    first.get()
    assert serve.scrape_until(lambda e: e.total(REQUESTS) == 1).value("gunicorn_exporter_redis_up") == 1
    first.stop()
    client = server.client()
    wait_until(lambda: client.keys("*carried*"), 60.0, "it was retired")
    assert serve.scrape().total(REQUESTS) == 1
    assert "NOPERM" not in serve.log().upper() + first.log().upper()
    assert client.acl_log() == []


def test_a_cluster_one_of_whose_slots_moves(gunicorn, exporter, redis_cluster):
    """No count is lost or doubled when the slot of the instance moves to another node under load."""
    cluster = redis_cluster()
    redis = {**FAST, "REDIS_CLUSTER": "true", "REDIS_PORT": str(cluster.nodes[0].port)}
    server = gunicorn(APP, env={**redis, "PROMETHEUS_INSTANCE_ID": "web-1"}, directory="")
    serve = exporter(redis)
    sent = 0
    sums = [0.0]

    def load() -> None:
        nonlocal sent
        for _ in range(20):
            server.get()
            sent += 1
            sums.append(serve.scrape().total(REQUESTS))

    load()
    serve.scrape_until(lambda e: e.total(REQUESTS) == sent)
    slot = cluster.slot("{web-1}")
    cluster.migrate(slot, next(node for node in cluster.nodes if node is not cluster.owner(slot)), while_open=load)
    load()
    serve.scrape_until(lambda e: e.total(REQUESTS) == sent)
    assert sums == sorted(sums)
    server.stop()
    wait_until(lambda: any(node.client().keys("*carried*") for node in cluster.nodes), 20.0, "it was retired")
    assert serve.scrape().total(REQUESTS) == sent


def test_a_sentinel_that_fails_over(gunicorn, exporter, redis_sentinel):
    group = redis_sentinel()
    redis = {
        **FAST,
        "REDIS_SENTINEL_HOSTS": f"127.0.0.1:{group.sentinel.port}",
        "REDIS_SENTINEL_SERVICE": group.SERVICE,
        "REDIS_TIMEOUT": "1",
    }
    server = gunicorn(APP, env=redis, directory="")
    serve = exporter(redis)
    for _ in range(5):
        server.get()
    serve.scrape_until(lambda e: e.total(REQUESTS) == 5)
    group.fail_over()
    for _ in range(5):
        server.get()
    serve.scrape_until(lambda e: e.total(REQUESTS) == 10, timeout=40)


def test_a_read_only_replica_can_be_read(exporter, redis_server):
    """Nothing can be retired there, which is said once and costs no scrape."""
    primary = redis_server()
    replica = redis_server(["--replicaof", "127.0.0.1", str(primary.port)])
    instance = Store({"REDIS_PORT": str(primary.port)}, primary.client()).instance("web")
    instance.count(3)
    instance.publish()
    instance.die()
    serve = exporter({**FAST, "REDIS_PORT": str(replica.port)})
    seen = serve.scrape_until(lambda e: e.total(REQUESTS) == 3)
    assert seen.value("gunicorn_exporter_redis_up") == 1
    wait_until(lambda: "not put together" in serve.log(), 10.0, "it says why")
    assert "READONLY" in serve.log() or "read only" in serve.log()


def test_a_network_that_loses_everything(gunicorn, exporter):
    """For longer than the TTL: no request fails or waits, and nothing that was counted meanwhile is lost or doubled."""
    distant = DistantRedis()
    try:
        redis = {
            **FAST,
            "REDIS_HOST": distant.host,
            "REDIS_PORT": str(distant.port),
            "REDIS_TIMEOUT": "0.5",
            "REDIS_TTL_SECONDS": "2",
        }
        server = gunicorn(APP, env=redis, directory="")
        serve = exporter(redis)
        assert server.get().status == 200
        serve.scrape_until(lambda e: e.total(REQUESTS) == 1)
        distant.cut()
        for _ in range(10):
            started = time.monotonic()
            assert server.get().status == 200
            assert time.monotonic() - started < 5
            time.sleep(0.3)
        assert server.scrape().total(REQUESTS) == 11
        seen = serve.scrape()
        assert (seen.value("gunicorn_exporter_redis_up"), seen.total(REQUESTS)) == (0, 1)
        distant.mend()
        seen = serve.scrape_until(lambda e: e.total(REQUESTS) >= 11, timeout=60)
        assert (seen.value("gunicorn_exporter_redis_up"), seen.total(REQUESTS)) == (1, 11)
    finally:
        distant.remove()
