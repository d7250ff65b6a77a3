"""The examples in deploy/: linted, and what they set is started here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hcl2
import pytest
import yaml

from gunicorn_prometheus_exporter.settings import settings_from
from tests.deploy.examples import DEPLOY, Container, containers
from tests.e2e.client import Connection
from tests.e2e.exposition import Exposition
from tests.e2e.harness import IMPORT_ROOTS, Gunicorn, free_port, wait_until

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
CONTAINERS = [pytest.param(one, id=f"{one.example}, {one.name}") for one in containers()]
# Where every container is one of ours or the application's, and the two share a directory.
WITH_SIDECAR = ("ecs-fargate", "azure")


def _tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, f"{name} is not installed: make venv"
    return found


def _run(*command: str, cwd: Path = DEPLOY) -> str:
    # Facts that nobody asks for take seconds.
    environment = {**os.environ, "ANSIBLE_GATHERING": "explicit", "ANSIBLE_PIPELINING": "true"}
    said = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "ansible", tmp_path / "ansible")
    _run(_tool("ansible-lint"), "--offline", "--profile", "production", cwd=tmp_path / "ansible")


def test_yamllint_finds_nothing() -> None:
    """What it says of long lines and of missing document starts is a matter of taste."""
    rules = "{line-length: disable, document-start: disable, comments: {min-spaces-from-content: 1}}"
    _run(_tool("yamllint"), "--strict", "-d", f"{{extends: default, rules: {rules}}}", str(DEPLOY))


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("**/*.tf")), ids=lambda path: path.name)
def test_terraform_can_be_parsed(path: Path) -> None:
    with path.open() as file:
        assert hcl2.load(file)


def test_terraform_uses_each_variable_it_has_and_no_other() -> None:
    folder = DEPLOY / "terraform" / "ecs-fargate"
    declared = re.findall(r'^variable "(\w+)"', (folder / "variables.tf").read_text(), flags=re.MULTILINE)
    used = set(re.findall(r"\bvar\.(\w+)", (folder / "main.tf").read_text()))
    assert used == set(declared)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_environment_is_one_the_exporter_knows(container: Container) -> None:
    """Every variable is known and has a value it may have."""
    settings_from(container.environment, None)
    assert all(name.startswith(("PROMETHEUS_", "GUNICORN_", "SIDECAR_MODE")) for name in container.environment)


@pytest.mark.parametrize("example", WITH_SIDECAR)
def test_application_and_sidecar_with_these_environments(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, example: str
) -> None:
    """Started as the containers would be, on a directory and a port of their own."""
    by_name = {one.name: one for one in containers() if one.example == example}
    directory, port = str(tmp_path / "metrics"), free_port()
    Path(directory).mkdir()
    app = {**by_name["app"].environment, "PROMETHEUS_MULTIPROC_DIR": directory}
    server = gunicorn(APP, args=["--workers", "1"], env=app, serves=False, directory=directory, metrics_port=port)
    with _sidecar({**by_name["exporter"].environment, "PROMETHEUS_MULTIPROC_DIR": directory}, port):
        server.get("/")
        server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 1)
        for path in ("/-/healthy", "/-/ready"):
            with Connection(port) as connection:
                assert connection.request("GET", path).status == 200


@contextmanager
def _sidecar(environment: dict[str, str], port: int) -> Iterator[None]:
    given = {**environment, "PROMETHEUS_METRICS_PORT": str(port), "PROMETHEUS_BIND_ADDRESS": "127.0.0.1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn_prometheus_exporter", "serve"],
        env={**os.environ, **given, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)},
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), 20, "the sidecar listens")
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        Connection(port).close()
    except OSError:
        return False
    return True


def test_what_ansible_writes_starts(tmp_path: Path) -> None:
    """The role's configuration is written here, by Ansible, and the unit's command started with it."""
    app, home, port, metrics_port = tmp_path / "srv", tmp_path / "etc", free_port(), free_port()
    app.mkdir()
    (app / "app.py").write_text(APP)
    inventory = {"web": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    variables = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "gunicorn_home": str(app),
        "gunicorn_venv": sys.prefix,
        "gunicorn_configuration": str(home),
        "gunicorn_unit_directory": str(tmp_path),
        "gunicorn_bind": f"127.0.0.1:{port}",
        "gunicorn_metrics_bind": "127.0.0.1",
        "gunicorn_metrics_port": metrics_port,
        "gunicorn_workers": 2,
        "gunicorn_run": False,
    }
    (tmp_path / "variables.yml").write_text(yaml.safe_dump(variables))
    playbook = [_tool("ansible-playbook"), "-i", str(tmp_path / "inventory.yml"), "-e", f"@{tmp_path}/variables.yml"]
    _run(*playbook, "--tags", "configure", "site.yml", cwd=DEPLOY / "ansible")
    unit = (tmp_path / "gunicorn.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), "HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(shlex.split(command), env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or _listens(metrics_port), 20, "it listens")
        with Connection(port) as connection:
            assert connection.request("GET", "/").status == 200
        wait_until(lambda: _scraped(metrics_port).total("gunicorn_http_requests_total") == 1, 20, "the request")
        assert _scraped(metrics_port).value("gunicorn_workers_configured") == 2
    finally:
        process.terminate()
        process.wait(20)


def _scraped(port: int) -> Exposition:
    with Connection(port) as connection:
        return Exposition(connection.request("GET", "/metrics").body.decode(), openmetrics=False)
