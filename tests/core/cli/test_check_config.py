"""``check-config``: what the settings come to, and where each comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.settings.definition import definitions
from tests.core.server.authority import Authority
from tests.e2e.harness import ROOT

FILE = """\
exporter:
  prometheus:
    metrics_port: 9100
    bind_address: 127.0.0.1
  redis: {enabled: true, password: hunter2, sentinel: {hosts: ["one:26379", "[::1]:26379"], service: main}}
"""


def check_config(
    directory: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gunicorn_prometheus_exporter", "check-config", *arguments],
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "core"), **(env or {})},
        timeout=60,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "exporter.yml").write_text(FILE)
    return tmp_path


def rows(text: str) -> dict[str, tuple[str, str]]:
    lines = [line.split() for line in text.splitlines() if line.startswith("exporter.")]
    return {name: (value, origin) for name, value, origin in lines}


def test_where_each_comes_from(directory: Path) -> None:
    """A default, a line of the file, or a variable, which wins; and no secret."""
    done = check_config(directory, "exporter.yml", env={"PROMETHEUS_BIND_ADDRESS": "::1", "GUNICORN_WORKERS": "4"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = rows(done.stdout)
    assert list(shown) == [f"exporter.{definition.yaml}" for definition in definitions()]
    assert shown["exporter.prometheus.metrics_port"] == ("9100", "exporter.yml:3")
    assert shown["exporter.prometheus.bind_address"] == ("::1", "PROMETHEUS_BIND_ADDRESS")
    assert shown["exporter.gunicorn.workers"] == ("4", "GUNICORN_WORKERS")
    assert shown["exporter.gunicorn.timeout"] == ("-", "default")
    assert shown["exporter.cleanup.db_files"] == ("true", "default")
    assert shown["exporter.redis.password"] == ("***", "exporter.yml:5")
    assert shown["exporter.redis.sentinel.hosts"] == ("one:26379,[::1]:26379", "exporter.yml:5")
    assert "hunter2" not in done.stdout


def test_only_what_is_given(directory: Path) -> None:
    """Without the defaults, and without a file."""
    certificate, key = Authority(directory).issue("server")
    (directory / "both.pem").write_bytes(Path(certificate).read_bytes() + Path(key).read_bytes())
    done = check_config(directory, "--given", env={"GUNICORN_WORKERS": "4", "PROMETHEUS_SSL_CERTFILE": "both.pem"})
    assert rows(done.stdout) == {
        "exporter.prometheus.ssl.enabled": ("true", "PROMETHEUS_SSL_CERTFILE"),
        "exporter.prometheus.ssl.certfile": ("both.pem", "PROMETHEUS_SSL_CERTFILE"),
        "exporter.gunicorn.workers": ("4", "GUNICORN_WORKERS"),
    }


def test_remarks(directory: Path) -> None:
    """What a start would log."""
    done = check_config(directory, "exporter.yml", env={"REDIS_PORT": "tcp://10.0.0.1:6379"})
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("note: REDIS_PORT (environment): 'tcp://10.0.0.1:6379' is the ad")


def test_problems(directory: Path) -> None:
    """All of them, as a start would say them."""
    (directory / "exporter.yml").write_text("exporter: {colour: blue, redis: {enabled: x, password: [hunter2]}}")
    done = check_config(directory, "exporter.yml", env={"CLEANUP_DB_FILES": "perhaps"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "gunicorn-prometheus-exporter cannot use its settings:",
        "  exporter.colour (exporter.yml:1): there is no such setting",
        "  exporter.redis.enabled (exporter.yml:1): 'x' is not true or false",
        "  exporter.redis.password (exporter.yml:1): *** is not a line of text",
        "  CLEANUP_DB_FILES (environment): 'perhaps' is not true or false",
    ]


def test_files(directory: Path) -> None:
    """What settings name must be there, as for a start."""
    (directory / "exporter.yml").write_text(
        "exporter:\n  ssl: {certfile: server.pem}\n  redis: {enabled: true, ssl: {enabled: true, ca_certs: ca.pem}}\n"
    )
    done = check_config(directory, "exporter.yml", env={"PROMETHEUS_BEARER_TOKEN_FILE": "token"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == [
        "  exporter.ssl.certfile (exporter.yml:2): server.pem cannot be read: No such file or directory",
        "  PROMETHEUS_BEARER_TOKEN_FILE (environment): token cannot be read: No such file or directory",
        "  exporter.redis.ssl.ca_certs (exporter.yml:3): 'ca.pem' is not a file that can be read",
    ]


def test_wrong_use(directory: Path) -> None:
    """Two files are one too many."""
    done = check_config(directory, "exporter.yml", "other.yml")
    assert (done.returncode, done.stdout) == (2, "")
