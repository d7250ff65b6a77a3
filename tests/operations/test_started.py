"""What the manifests set is started here: the commands, variables and directories of each container, and its probes.

Names of Services become 127.0.0.1 and ports free ones; everything else is as in the rendered manifest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import yaml

from scripts import manifests
from tests.e2e.client import Connection
from tests.e2e.exposition import Exposition
from tests.e2e.harness import IMPORT_ROOTS, ROOT, Gunicorn, free_port, wait_until
from tests.monitoring.live import Prometheus
from tests.operations.manifests import Manifest, arguments, container, environment, probes
from tests.redis.servers import RedisServer

APP = """
import time

def app(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
SECRETS = {("gunicorn-redis", "password"): "correct horse"}
OVERLAYS = ROOT / "k8s" / "overlays"
START = Callable[..., Gunicorn]


def start_app(gunicorn: START, given: Manifest, fields: Mapping[str, str], here: Mapping[str, str]) -> Gunicorn:
    """The application's container. ``here`` wins over its variables."""
    variables = {**environment(given, fields, SECRETS), **here}
    server = gunicorn(
        APP,
        env={"PROMETHEUS_MULTIPROC_DIR": None, **variables},
        workers=int(variables["GUNICORN_WORKERS"]),
        workers_option=False,
        serves=any(port["name"] == "metrics" for port in given["ports"]),
        metrics_port=int(variables["PROMETHEUS_METRICS_PORT"]) if "PROMETHEUS_METRICS_PORT" in variables else None,
    )
    for path, _ in probes(given):
        wait_until(lambda path=path: status(server.metrics_port, path) == 200, 30, path)  # type: ignore[misc]
    return server


@contextmanager
def exporter(given: Manifest, fields: Mapping[str, str], here: Mapping[str, str]) -> Iterator[int]:
    """The exporter's container, by the image's entry point: its port, once it is ready and alive."""
    port = free_port()
    variables = {**environment(given, fields, SECRETS), **here, "PROMETHEUS_METRICS_PORT": str(port)}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    process = subprocess.Popen(
        ["sh", str(ROOT / "docker" / "entrypoint.sh"), *arguments(given, variables)],
        env={"PATH": path, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), **variables},
    )
    try:
        asked = list(probes(given))
        assert {wanted for wanted, _ in asked} == {"/-/ready", "/-/healthy"}
        for wanted, number in asked:
            assert number == 9091
            wait_until(lambda wanted=wanted: status(port, wanted) == 200, 30, wanted)  # type: ignore[misc]
        yield port
    finally:
        process.kill()
        process.wait()


def status(port: int, path: str) -> int:
    try:
        with Connection(port) as connection:
            return int(connection.request("GET", path).status)
    except OSError:
        return 0


def scraped(port: int) -> Exposition:
    with Connection(port) as connection:
        return Exposition(connection.request("GET", "/metrics").body.decode(), openmetrics=False)


def requests(port: int) -> float:
    return scraped(port).total("gunicorn_http_requests_total")


def test_plain(gunicorn: START) -> None:
    """The master answers the probes, which are no requests."""
    given = container(manifests.build(OVERLAYS / "plain"), "Deployment", "app", "app")
    assert len(list(probes(given))) == 3
    server = start_app(gunicorn, given, {}, {})
    server.get("/")
    wait_until(lambda: requests(server.metrics_port) == 1, 20)


def test_sidecar(gunicorn: START, tmp_path: Path) -> None:
    """Application and exporter have one directory, which Kubernetes makes for all to write to."""
    objects = manifests.build(OVERLAYS / "sidecar")
    app, sidecar = (container(objects, "Deployment", "app", name) for name in ("app", "exporter"))
    shared = {mount["mountPath"] for mount in app["volumeMounts"]} & {
        mount["mountPath"] for mount in sidecar["volumeMounts"]
    }
    assert shared == {environment(each, {}, SECRETS)["PROMETHEUS_MULTIPROC_DIR"] for each in (app, sidecar)}
    directory = tmp_path / "metrics"
    directory.mkdir()
    directory.chmod(0o2777)
    here = {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    with exporter(sidecar, {}, {**here, "PROMETHEUS_BIND_ADDRESS": "127.0.0.1"}) as port:
        server = start_app(gunicorn, app, {}, here)
        server.get("/")
        wait_until(lambda: requests(port) == 1, 20, "the request")
        wait_until(lambda: scraped(port).total("gunicorn_workers_configured") == 2, 20, "what the master samples")
        assert status(server.metrics_port, "/metrics") == 0


@pytest.fixture
def cluster_redis(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """The Redis of the manifests: with its arguments, but for the directory."""
    given = container(manifests.build(OVERLAYS / "daemonset"), "StatefulSet", "redis", "redis")
    variables = environment(given, {}, SECRETS)
    command = arguments(given, variables)
    assert command.pop(0) == "redis-server"
    at = command.index("--dir")
    del command[at : at + 2]
    server = redis_server(command, password=variables["REDIS_PASSWORD"])
    assert server.client().config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port).ping()
    return server


def reached(server: RedisServer) -> dict[str, str]:
    return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "REDIS_PUBLISH_INTERVAL": "0.2"}


def test_daemonset(gunicorn: START, cluster_redis: RedisServer) -> None:
    """Two nodes with a pod each, and one more on the second: each exporter shows the pods of its node."""
    objects = manifests.build(OVERLAYS / "daemonset")
    app = container(objects, "Deployment", "app", "app")
    here = reached(cluster_redis)
    asked = {("app-1", "node-1"): 1, ("app-2", "node-2"): 2, ("app-3", "node-2"): 3}
    for (pod, node), number in asked.items():
        fields = {"metadata.name": pod, "spec.nodeName": node}
        server = start_app(gunicorn, app, fields, {**here, "GUNICORN_WORKERS": "1"})
        for _ in range(number):
            server.get("/")
    with ExitStack() as started:
        given = container(objects, "DaemonSet", "exporter", "exporter")
        for node, number in (("node-1", 1), ("node-2", 5)):
            fields = {"spec.nodeName": node, "metadata.name": f"exporter-{node}"}
            port = started.enter_context(exporter(given, fields, here))
            wait_until(lambda port=port, number=number: requests(port) == number, 20, node)  # type: ignore[misc]


def test_redis_fleet(gunicorn: START, cluster_redis: RedisServer) -> None:
    """The one exporter shows the sum, and goes on showing what a pod that is gone had counted."""
    objects = manifests.build(OVERLAYS / "redis-fleet")
    app = container(objects, "Deployment", "app", "app")
    here = {**reached(cluster_redis), "REDIS_TTL_SECONDS": "2"}
    servers = []
    for pod in ("app-1", "app-2"):
        fields = {"metadata.name": pod, "spec.nodeName": "node-1"}
        servers.append(start_app(gunicorn, app, fields, {**here, "GUNICORN_WORKERS": "1"}))
        servers[-1].get("/")
    with exporter(container(objects, "Deployment", "exporter", "exporter"), {}, here) as port:
        wait_until(lambda: requests(port) == 2, 20, "both requests")
        servers[0].stop()
        wait_until(lambda: scraped(port).total("gunicorn_workers", state="idle") == 1, 30, "the pod is gone")
        assert requests(port) == 2


def test_the_adapters_query_gives_the_busy_ratio(gunicorn: START, prometheus_binary: Path, tmp_path: Path) -> None:
    """With what the adapter puts into it, asked of a Prometheus: half of the workers are busy all the time."""
    rule = yaml.safe_load((ROOT / "k8s" / "prometheus-adapter-values.yaml").read_text())["rules"]["custom"][0]
    query = rule["metricsQuery"].replace("<<.GroupBy>>", "job").replace("<<.LabelMatchers>>", 'job="app"')
    server = gunicorn(APP, workers=2, args=["--graceful-timeout", "1"])
    with (
        Prometheus(prometheus_binary, tmp_path, {"app": server.metrics_port}) as prometheus,
        Connection(server.port) as connection,
    ):
        connection.send_head("GET", "/?30")

        def ratio() -> bool:
            result = prometheus.instant(query.replace("[2m]", "[10s]"))
            return bool(result) and 0.35 < float(result[0]["value"][1]) < 0.65

        wait_until(ratio, 40, "the ratio is a half")
