"""The command ``health`` against real servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.server.authority import Authority
from tests.e2e.harness import IMPORT_ROOTS, Gunicorn, free_port, wait_until

APP = """
import os, time
while os.path.exists("not_yet"):
    time.sleep(0.05)
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
TOKEN = "0123456789abcdef.token"


def health(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn_prometheus_exporter", "health", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), **environment},
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_endpoint_answers_before_it_is_ready(gunicorn: Callable[..., Gunicorn]) -> None:
    port = free_port()
    server = gunicorn(APP, metrics_port=port, wait=False, files={"not_yet": ""})
    own, url = {"PROMETHEUS_METRICS_PORT": str(port)}, f"http://127.0.0.1:{port}"
    wait_until(lambda: health(**own)[0] == 0)
    assert health(**own) == (0, f"{url}/-/healthy: 200\n", "")
    assert health("--ready", **own) == (1, f"{url}/-/ready: 503\n", "")
    (server.home / "not_yet").unlink()
    wait_until(lambda: health(url, "--ready") == (0, f"{url}/-/ready: 200\n", ""))


@pytest.mark.parametrize("asks", [[], ["--ready"]])
def test_an_endpoint_with_tls_and_a_token_on_its_health(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, asks: list[str]
) -> None:
    certificate, key = Authority(tmp_path).issue("server")
    settings = {
        "PROMETHEUS_SSL_CERTFILE": certificate,
        "PROMETHEUS_SSL_KEYFILE": key,
        "PROMETHEUS_BEARER_TOKEN": TOKEN,
        "PROMETHEUS_HEALTH_AUTH": "true",
    }
    server = gunicorn(APP, env=settings)
    url = f"https://127.0.0.1:{server.metrics_port}"
    assert health(*asks, PROMETHEUS_METRICS_PORT=str(server.metrics_port), **settings)[0] == 0
    # A server that is named by hand is not trusted with the token.
    assert health(url, *asks, **settings)[:2] == (1, f"{url}/-/{'ready' if asks else 'healthy'}: 401\n")


def test_nobody_there_is_one_line_and_a_failure() -> None:
    port = free_port()
    status, out, error = health(PROMETHEUS_METRICS_PORT=str(port))
    assert (status, out) == (1, "")
    assert error.startswith(f"http://127.0.0.1:{port}: no answer: ")
    assert error.count("\n") == 1


def test_what_is_no_url_is_said() -> None:
    status, _, error = health("localhost:9091")
    assert status == 1
    assert "URL: 'localhost:9091' is not http://host:port or https://host:port" in error
