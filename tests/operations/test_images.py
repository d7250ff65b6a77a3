"""The images: docker/Dockerfile's steps are done in clean root directories, and its containers started from them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from tests.e2e.client import Connection
from tests.e2e.exposition import Exposition
from tests.e2e.harness import ROOT, free_port, wait_until
from tests.operations.dockerfile import Build, Stage
from tests.operations.wheelhouse import pack, with_dependencies
from tests.redis.servers import RedisServer

# What the steps install, besides the project itself, and what builds that.
_INSTALLED = ("gunicorn", "prometheus-client", "psutil", "PyYAML", "redis", "bcrypt", "Flask", "hatchling")
_USER = 10001


@contextmanager
def images() -> Iterator[dict[str, Stage]]:
    """The stages of docker/Dockerfile by name, built without network."""
    home = Path(tempfile.mkdtemp(prefix="gpe-images-"))
    wheels = home / "wheelhouse"
    wheels.mkdir()
    try:
        for one in with_dependencies(_INSTALLED):
            pack(one, wheels)
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheelhouse", "PIP_NO_COMPILE": "1"}
        yield Build(ROOT / "docker" / "Dockerfile", ROOT, home / "stages", pip, {"/wheelhouse:ro": wheels}).stages
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def container(
    stage: Stage, *arguments: str, environment: Mapping[str, str], mounts: Mapping[str, Path] | None = None
) -> Iterator[psutil.Process]:
    """A container of the image: its first process. With SIGTERM it must end by itself."""
    command, variables = stage.inside(
        [*stage.entrypoint, *(arguments or stage.command)], environment=environment, mounts=mounts
    )
    process = subprocess.Popen(command, env=variables)
    try:
        yield wait_until(lambda: next(iter(psutil.Process(process.pid).children()), None), 30, "a first process")
        first = psutil.Process(process.pid).children()[0]
        first.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def said(stage: Stage, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status and output of a command in a container of its own."""
    line, variables = stage.inside(command, environment=environment)
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def answers(port: int, path: str) -> bool:
    try:
        with Connection(port, timeout=30) as connection:
            return bool(connection.request("GET", path).status == 200)
    except OSError:
        return False


def scraped(port: int) -> Exposition:
    with Connection(port) as connection:
        return Exposition(connection.request("GET", "/metrics").body.decode(), openmetrics=False)


def idle(port: int) -> float:
    """Booted workers without a request. Whoever asks the application before they are there may have to ask again."""
    return scraped(port).total("gunicorn_workers", state="idle")


# Building them takes most of the time, so one test does it once.
@pytest.mark.timeout(500)
def test_containers(redis_server: Callable[..., RedisServer], tmp_path: Path) -> None:
    """Help, sidecar, health and standalone, as another user than root and on a root that cannot be written."""
    with images() as built:
        exporter, app = built["exporter"], built["example-app"]
        _modes(exporter)
        _share_a_directory(exporter, app, tmp_path / "metrics")
        _share_redis(exporter, app, redis_server())


def _modes(exporter: Stage) -> None:
    status, text = said(exporter, *exporter.entrypoint, "help")
    assert status == 0
    assert all(f"\n  {mode} " in text for mode in ("sidecar", "standalone", "health", "help"))
    assert said(exporter, *exporter.entrypoint, "shell")[0] == 2
    assert said(exporter, *exporter.health, environment={"PROMETHEUS_METRICS_PORT": str(free_port())})[0] == 1
    assert said(exporter, "sh", "-c", "touch /opt/x || touch /metrics/x")[0] != 0
    assert said(exporter, "python", "-m", "pip", "--version")[0] != 0


def _share_a_directory(exporter: Stage, app: Stage, directory: Path) -> None:
    """As compose.sidecar.yaml sets it, and the sidecar can only read."""
    services = yaml.safe_load((ROOT / "docker" / "compose.sidecar.yaml").read_text())["services"]
    port, metrics_port = free_port(), free_port()
    directory.mkdir()
    os.chown(directory, _USER, _USER)
    given = {**services["app"]["environment"], "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}"}
    endpoint = {"PROMETHEUS_METRICS_PORT": str(metrics_port), "PROMETHEUS_BIND_ADDRESS": "127.0.0.1"}
    with (
        container(app, environment=given, mounts={"/metrics": directory}) as server,
        container(exporter, environment=endpoint, mounts={"/metrics:ro": directory}) as sidecar,
    ):
        wait_until(lambda: answers(metrics_port, "/-/ready"), 30, "the sidecar is ready")
        wait_until(lambda: idle(metrics_port) == 2, 30, "two workers")
        assert answers(port, "/")
        wait_until(lambda: scraped(metrics_port).total("gunicorn_http_requests_total") == 1, 30, "one request")
        assert scraped(metrics_port).value("gunicorn_http_requests_total", endpoint="/", method="GET", status="200")
        assert {process.uids().effective for process in (server, *server.children(), sidecar)} == {_USER}
        for options in ([], ["--ready"]):
            assert said(exporter, *exporter.health, *options, environment=endpoint)[0] == 0


def _share_redis(exporter: Stage, app: Stage, redis: RedisServer) -> None:
    """As compose.yaml sets it, with two servers whose sum the exporter shows."""
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    metrics_port, ports = free_port(), (free_port(), free_port())
    here = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port), "REDIS_PASSWORD": ""}
    endpoint = {"PROMETHEUS_METRICS_PORT": str(metrics_port), "PROMETHEUS_BIND_ADDRESS": "127.0.0.1"}

    def given(number: int) -> dict[str, str]:
        # Containers have names of their own; here all have this machine's.
        own = {"POD_NAME": f"app-{number}", "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{ports[number]}"}
        return {**services["app"]["environment"], **here, **own}

    with (
        container(app, environment=given(0)),
        container(app, environment=given(1)),
        container(
            exporter,
            *services["exporter"]["command"],
            environment={**services["exporter"]["environment"], **here, **endpoint},
        ),
    ):
        wait_until(lambda: answers(metrics_port, "/-/ready"), 30, "the exporter is ready")
        wait_until(lambda: idle(metrics_port) == 4, 30, "two workers of each")
        assert all(answers(port, "/") for port in ports)
        wait_until(lambda: scraped(metrics_port).total("gunicorn_http_requests_total") == 2, 30, "both requests")


def test_standalone_without_redis_says_so(tmp_path: Path) -> None:
    """It has no directory to fall back to."""
    command = ["sh", str(ROOT / "docker" / "entrypoint.sh"), "standalone"]
    fake = tmp_path / "gunicorn-prometheus-exporter"
    fake.write_text('#!/bin/sh\necho "$* REDIS_ENABLED=$REDIS_ENABLED ${PROMETHEUS_MULTIPROC_DIR-no directory}"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PROMETHEUS_MULTIPROC_DIR": "/metrics"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "serve REDIS_ENABLED=true no directory\n"
    done = subprocess.run(
        [*command, "--config", "x"],
        env={**environment, "REDIS_ENABLED": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "serve --config x REDIS_ENABLED=false no directory\n"
