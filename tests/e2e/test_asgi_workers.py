"""The worker classes for ASGI applications: how they start, work, and end."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import httpx
import pytest

from tests.e2e.client import Connection
from tests.e2e.conftest import GUNICORN_MAJOR
from tests.e2e.harness import ASGI_WORKER_CLASSES, IMPORT_ROOTS, Gunicorn, wait_until
from tests.e2e.stored import reasons, scraped, stored_by

pytestmark = pytest.mark.matrix

# Gunicorn 25's asgi worker loses count of its connections, and so waits at its end until it is killed.
ends_late = pytest.mark.skipif(GUNICORN_MAJOR == 25, reason="Gunicorn 25's asgi worker ends only when it is killed")

START = Callable[..., Gunicorn]
APP = Path(__file__).with_name("asgi_app.py")
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
REQUESTS = "gunicorn_http_requests_total"
IN_PROGRESS = "gunicorn_worker_requests_in_progress"


def states(server: Gunicorn) -> dict[str, float]:
    return {s.labels["state"]: s.value for s in server.scrape_once().samples("gunicorn_workers") if s.value}


@contextlib.contextmanager
def under_way(server: Gunicorn, *paths: str) -> Iterator[list[Connection]]:
    """A request to each of ``paths`` that nobody has answered yet."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in paths]
        for connection, path in zip(connections, paths, strict=True):
            connection.send_head("GET", path)
        server.scrape_until(lambda e: e.total(IN_PROGRESS) == len(paths))
        yield connections


def test_killed_in_the_middle(gunicorn: START, asgi_worker_class: str) -> None:
    """Each request that a killed worker had in progress is counted once, with the status it had reached."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    with under_way(server, "/stream/a?parts=99&size=10&pause=0.3", "/sleep/a?seconds=60", "/sleep/b?seconds=60"):
        server.kill_worker()
    server.wait_booted()
    seen = scraped(server, lambda e: e.total(REQUESTS) == 3)
    assert seen.value(REQUESTS, endpoint="/stream/a", status="200") == 1
    assert seen.value(REQUESTS, endpoint="/sleep/a", status="500") == 1
    assert seen.value(REQUESTS, endpoint="/sleep/b", status="500") == 1
    assert seen.value(IN_PROGRESS, worker_id="1") == 0
    assert reasons(seen) == {"sigkill": 1}


def test_saturation(gunicorn: START, asgi_worker_class: str) -> None:
    """Connections, requests in progress, busy seconds and the worker's state."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    assert states(server) == {"idle": 1}
    started = time.monotonic()
    with under_way(server, "/sleep/a?seconds=2", "/sleep/b?seconds=2") as connections, server.connect():
        server.scrape_until(lambda e: e.value("gunicorn_worker_connections", worker_id="1") == 3)
        assert states(server) == {"busy": 1}
        for connection in connections:
            connection.read_response()
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 2 and e.total("gunicorn_worker_connections") == 0)
    elapsed = time.monotonic() - started
    assert 2 <= seen.total("gunicorn_worker_busy_seconds_total") <= elapsed
    assert 4 <= seen.total("gunicorn_worker_request_seconds_total") <= 2 * elapsed
    assert states(server) == {"idle": 1}
    assert "gunicorn_worker_connections_limit{" not in seen.text


@ends_late
def test_max_requests(gunicorn: START, asgi_worker_class: str) -> None:
    """Recycled workers: every answered request is counted, and the exits have their reason."""
    server = gunicorn(APP, worker_class=asgi_worker_class, workers=2, args=["--max-requests", "10"])
    answered = lost = 0
    while server.scrape_once().total("gunicorn_worker_exits_total") < 3:
        assert answered < 5000
        try:
            assert server.get("/plain/a").status == 200
            answered += 1
        except (OSError, HTTPException):
            lost += 1
    seen = scraped(server, lambda e: e.total(REQUESTS) >= answered)
    assert answered <= seen.value(REQUESTS, endpoint="/plain/a") <= answered + lost
    assert set(reasons(seen)) == {"max_requests"}


@ends_late
def test_draining(gunicorn: START, asgi_worker_class: str) -> None:
    """A worker that is told to end lets its requests finish, and says so meanwhile."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    (pid,) = server.worker_pids()
    with under_way(server, "/sleep/a?seconds=3") as (connection,):
        server.signal(signal.SIGTERM, pid)
        wait_until(lambda: states(server).get("draining") == 1)
        assert connection.read_response().body == b"slept"
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"signal": 1}
    assert seen.value(REQUESTS, endpoint="/sleep/a", status="200") == 1
    # A worker that is just starting may miss that it is to end.
    server.wait_booted()


@ends_late
def test_reload_and_shutdown(gunicorn: START, asgi_worker_class: str) -> None:
    """HUP replaces the workers; the master ends them."""
    server = gunicorn(APP, worker_class=asgi_worker_class, workers=2)
    server.signal(signal.SIGHUP)
    scraped(server, lambda e: reasons(e).get("reload") == 2)
    server.wait_booted()
    server.get("/plain/a")
    server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    server.stop()
    seen = stored_by(server)
    assert reasons(seen) == {"reload": 2, "shutdown": 2}
    assert seen.value(REQUESTS, endpoint="/plain/a") == 1


def test_blocked_event_loop(gunicorn: START, asgi_worker_class: str) -> None:
    """The master kills a worker whose event loop stands still, and says at which endpoint."""
    server = gunicorn(APP, worker_class=asgi_worker_class, args=["--timeout", "3"])
    with server.connect() as connection:
        connection.send_head("GET", "/block/a?seconds=60")
        seen = scraped(server, lambda e: reasons(e), 20)
    assert reasons(seen) == {"timeout": 1}
    assert seen.value("gunicorn_worker_timeouts_total", endpoint="/block/a") == 1
    server.wait_booted()


@pytest.mark.skipif(GUNICORN_MAJOR < 26, reason="Gunicorn 25's asgi worker serves one HTTP/2 stream at a time")
def test_http_2(gunicorn: START, tmp_path: Path) -> None:
    """Streams, uploads and failures of Gunicorn's own asgi worker, each stream a request."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ["--certfile", str(certificate), "--keyfile", str(key), "--http-protocols", "h2,h1"]
    server = gunicorn(APP, worker_class="asgi", args=tls)
    context = ssl.create_default_context(cafile=certificate)
    url = f"https://localhost:{server.port}"
    with (
        httpx.Client(http1=False, http2=True, verify=context, base_url=url, timeout=20) as client,
        ThreadPoolExecutor(5) as pool,
    ):
        assert client.get("/plain/a?size=700").http_version == "HTTP/2"
        sizes = list(pool.map(lambda size: len(client.get(f"/plain/b?size={size}").content), range(0, 50_000, 5000)))
        assert len(client.get("/stream/a?parts=4&size=3000").content) == 12_000
        assert client.post("/read/a", content=b"y" * 60_000).text == "60000"
        assert client.get("/raise/a?error=ValueError").status_code == 500
        assert client.get("/plain/c?status=410&size=30").status_code == 410
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 15)
    sent = "gunicorn_http_response_size_bytes_sum"
    assert sizes == list(range(0, 50_000, 5000))
    assert seen.value(sent, endpoint="/plain/a") == 700
    assert seen.value(sent, endpoint="/plain/b") == sum(sizes)
    assert seen.value(sent, endpoint="/stream/a") == 12_000
    assert seen.value("gunicorn_http_request_size_bytes_sum", endpoint="/read/a") == 60_000
    assert seen.value(REQUESTS, endpoint="/raise/a", status="500") == 1
    assert seen.value(REQUESTS, endpoint="/plain/c", status="410") == 1
    assert seen.total("gunicorn_http_exceptions_total", error_type="ValueError") == 1
    assert seen.total("gunicorn_http_aborted_responses_total") == 0


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
def test_asgi_application_on_a_wsgi_worker(gunicorn: START, worker_class: str) -> None:
    """Said once at the start, which fails, with the classes that would do."""
    _assert_refused(gunicorn(APP, worker_class=worker_class, wait=False), "ASGI", "PrometheusASGIWorker")


def test_wsgi_application_on_an_asgi_worker(gunicorn: START, asgi_worker_class: str) -> None:
    """The reverse."""
    _assert_refused(gunicorn(WSGI, worker_class=asgi_worker_class, wait=False), "WSGI", "PrometheusWorker,")


def _assert_refused(server: Gunicorn, interface: str, advice: str) -> None:
    assert server.process.wait(20) != 0
    log = server.log()
    assert f"but this is an {interface} application" in log
    assert advice in log
    assert log.count("Booting worker") == 1
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("name", "missing", "advice"),
    [
        ("asgi", "gunicorn.workers.gasgi", "pip install 'gunicorn>=25'"),
        ("uvicorn", "uvicorn_worker", "pip install 'gunicorn-prometheus-exporter[uvicorn]'"),
    ],
)
def test_missing_package(tmp_path: Path, name: str, missing: str, advice: str) -> None:
    """One message with the command that brings what is missing."""
    program = f"import sys; sys.modules[{missing!r}] = None; from gunicorn.app.wsgiapp import run; run()"
    command = [sys.executable, "-c", program, "-k", ASGI_WORKER_CLASSES[name], "app:app"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode != 0
    assert advice in said.stderr
