"""The endpoint of a running gunicorn over TLS, with passwords and tokens; and its health."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import psutil
import pytest

from tests.core.server.authority import Authority
from tests.e2e.harness import Gunicorn, free_port, wait_until
from tests.e2e.test_settings import given_by

START = Callable[..., Gunicorn]
APP = """
import os, time
while os.path.exists("not_yet"):
    time.sleep(0.05)
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
PASSWORD = "correct horse"
TOKEN = "0123456789abcdef.token"
DIRTY = """
from gunicorn.dirty.app import DirtyApp
class Dirty(DirtyApp):
    def __call__(self, action, *args, **kwargs):
        return action
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["YAML", "environment"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def hashed(password: str = PASSWORD) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


BEARER = {"Authorization": f"Bearer {TOKEN}"}


def ask(
    port: int, path: str = "/metrics", headers: dict[str, str] | None = None, context: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """Status and body, on a connection of its own."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        if context is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    )
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def serial(port: int, context: ssl.SSLContext) -> Any:
    """What tells the certificate of the endpoint from others."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.connect()
        certificate = connection.sock.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]
    finally:
        connection.close()


def is_refused(port: int, context: ssl.SSLContext) -> bool:
    try:
        ask(port, context=context)
    except OSError:
        return True
    return False


@pytest.mark.setting(
    "ssl_enabled",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_client_cafile",
    "ssl_client_capath",
    "ssl_client_auth_required",
    "bearer_token",
    "health_auth",
)
def test_tls_settings(gunicorn: START, source: str, authority: Authority, tmp_path: Path) -> None:
    """TLS, and clients' certificates, by the settings; with a token on top."""
    certificate, key = authority.issue("server")
    friend = authority.client(authority.issue("friend", "friend"))
    port = free_port()
    settings: dict[str, object] = {
        "prometheus.metrics_port": port,
        "prometheus.bind_address": "127.0.0.1",
        "prometheus.ssl.certfile": certificate,
        "prometheus.ssl.keyfile": key,
        "prometheus.bearer_token": TOKEN,
        "prometheus.health_auth": True,
    }
    server = gunicorn(APP, metrics_port=port, **given_by(source, settings))
    server.get()
    assert ask(port, context=authority.client(), headers=BEARER)[0] == 200
    for path in ("/metrics", "/-/healthy", "/-/ready", "/other"):
        assert ask(port, path, context=authority.client())[0] == 401
        assert ask(port, path, context=authority.client(), headers={"Authorization": "Bearer no"})[0] == 401
    assert ask(port, "/-/ready", context=authority.client(), headers=BEARER)[0] == 200
    assert ask(port)[0] == 400
    assert TOKEN not in server.log()
    assert f"https://127.0.0.1:{port}/metrics" in server.log()
    server.stop()

    hashed_directory = tmp_path / "authorities"
    hashed_directory.mkdir()
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)], check=True, capture_output=True, text=True
    ).stdout.strip()
    (hashed_directory / f"{name}.0").write_bytes(authority.file.read_bytes())
    del settings["prometheus.health_auth"], settings["prometheus.bearer_token"]
    settings["prometheus.ssl.client_auth_required"] = True
    for place, value in (("cafile", authority.file), ("capath", hashed_directory)):
        given = {**settings, f"prometheus.ssl.client_{place}": str(value)}
        server = gunicorn(APP, metrics_port=port, **given_by(source, given))
        assert is_refused(port, authority.client())
        assert ask(port, context=friend)[0] == 200
        server.stop()


@pytest.mark.setting("web_config_file", "bearer_token_file")
def test_files_that_change(gunicorn: START, source: str, authority: Authority, tmp_path: Path) -> None:
    """A renewed certificate, another password and another token are in force soon, with no word to the master. A file
    that would open the endpoint, or cannot be used, changes nothing but the log."""
    authority.issue("server")
    token, web_config = tmp_path / "token", tmp_path / "web.yml"
    token.write_text(f"{TOKEN}\n")
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
    web_config.write_text(
        f"{tls}basic_auth_users: {{joe: {hashed()}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
    )
    port = free_port()
    settings: dict[str, object] = {
        "prometheus.metrics_port": port,
        "prometheus.bind_address": "127.0.0.1",
        "prometheus.web_config_file": str(web_config),
        "prometheus.bearer_token_file": str(token),
    }
    server = gunicorn(APP, metrics_port=port, **given_by(source, settings))
    context = authority.client()
    assert ask(port, context=context)[0] == 401
    assert ask(port, headers=basic("joe", PASSWORD), context=context)[0] == 200
    assert ask(port, headers=BEARER, context=context)[0] == 200
    assert ask(port, "/-/healthy", context=context)[0] == 200

    before = serial(port, context)
    authority.issue("server")
    wait_until(lambda: serial(port, context) != before)
    token.write_text("another.token")
    wait_until(lambda: ask(port, headers=BEARER, context=context)[0] == 401)
    web_config.write_text(f"{tls}basic_auth_users: {{joe: {hashed('other')}}}\n")
    wait_until(lambda: ask(port, headers=basic("joe", PASSWORD), context=context)[0] == 401)
    assert ask(port, headers=basic("joe", "other"), context=context)[0] == 200

    for bad, word in (("", "would now do without tls"), (f"{tls}colour: blue\n", "web.yml:2: colour is not known")):
        web_config.write_text(bad)

        def is_said(word: str = word) -> bool:
            ask(port, context=context)
            return word in server.log()

        wait_until(is_said)
        assert ask(port, context=context)[0] == 401
    (tmp_path / "server.pem").write_text("half")
    time.sleep(1.2)
    assert ask(port, headers=basic("joe", "other"), context=context)[0] == 200
    assert "Traceback" not in server.log()


def test_reload_and_upgrade(gunicorn: START, authority: Authority, tmp_path: Path) -> None:
    """HUP makes TLS of plain HTTP on the same port, and USR2 hands the port over with TLS on, which never closes."""
    authority.issue("server")
    port = free_port()
    web_config = tmp_path / "web.yml"
    web_config.write_text("")
    server = gunicorn(APP, metrics_port=port, env={"PROMETHEUS_WEB_CONFIG_FILE": str(web_config)})
    assert ask(port)[0] == 200
    web_config.write_text("tls_server_config: {cert_file: server.pem, key_file: none.key}")
    server.signal(signal.SIGHUP)
    server.wait_logged("serves the metrics as it did before")
    assert ask(port)[0] == 200
    web_config.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}")
    server.signal(signal.SIGHUP)
    context = authority.client()
    wait_until(lambda: not is_refused(port, context))
    assert ask(port)[0] == 400

    server.signal(signal.SIGUSR2)
    new_pidfile = server.home / "master.pid.2"
    new = int(wait_until(lambda: new_pidfile.exists() and new_pidfile.read_text().strip()))
    wait_until(lambda: server.worker_pids(new))
    for _ in range(20):
        assert ask(port, context=context)[0] == 200
        assert ask(port, "/-/ready", context=context)[0] == 200
    server.signal(signal.SIGTERM)
    while psutil.pid_exists(server.pid) and psutil.Process(server.pid).status() != psutil.STATUS_ZOMBIE:
        assert ask(port, context=context)[0] == 200
    assert ask(port, "/-/ready", context=context)[0] == 200
    os.kill(new, signal.SIGTERM)
    wait_until(lambda: not psutil.pid_exists(new))


@pytest.mark.setting("ready_workers")
def test_health(gunicorn: START, source: str) -> None:
    """Alive from the start, ready with enough booted workers, and no longer while the last requests are served."""
    port = free_port()
    settings: dict[str, object] = {
        "prometheus.metrics_port": port,
        "prometheus.bind_address": "127.0.0.1",
        "prometheus.ready_workers": 2,
    }
    options = given_by(source, settings)
    files = options.pop("files", {})
    server = gunicorn(APP, workers=2, metrics_port=port, wait=False, files={**files, "not_yet": ""}, **options)
    wait_until(lambda: listens(port), 20)
    assert ask(port, "/-/healthy") == (200, b"200 OK\n")
    assert ask(port, "/-/ready") == (503, b"503 Service Unavailable\n")
    (server.home / "not_yet").unlink()
    server.wait_booted()
    wait_until(lambda: ask(port, "/-/ready")[0] == 200)
    (server.home / "not_yet").touch()
    server.kill_worker()
    wait_until(lambda: ask(port, "/-/ready")[0] == 503)
    (server.home / "not_yet").unlink()
    wait_until(lambda: ask(port, "/-/ready")[0] == 200)
    with server.connect() as connection:
        connection.send_head("GET", "/slow", {"Host": "localhost"})
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        wait_until(lambda: ask(port, "/-/ready")[0] == 503, 2)
        assert ask(port, "/-/healthy")[0] == 200


def listens(port: int) -> bool:
    try:
        return ask(port, "/-/healthy")[0] == 200
    except OSError:
        return False


def test_settings_that_cannot_be_used(gunicorn: START, tmp_path: Path) -> None:
    """A certificate that is not there stops the start, with one message and no traceback."""
    env = {"PROMETHEUS_SSL_CERTFILE": str(tmp_path / "none.pem"), "PROMETHEUS_BEARER_TOKEN": "short"}
    server = gunicorn(APP, env=env, wait=False)
    assert server.process.wait(20) == 1
    assert f"{tmp_path}/none.pem cannot be read: No such file or directory" in server.log()
    assert "PROMETHEUS_BEARER_TOKEN (environment): is not a token" in server.log()
    assert "Traceback" not in server.log()


def test_a_sidecar_has_the_certificates(gunicorn: START, tmp_path: Path) -> None:
    """Where a sidecar serves, its files need not be here."""
    env = {"PROMETHEUS_SSL_CERTFILE": str(tmp_path / "none.pem"), "SIDECAR_MODE": "true"}
    assert gunicorn(APP, env=env, serves=False).get().status == 200


@pytest.fixture
def prometheus(prometheus_binary: Path, tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], int]]:
    """Starts a Prometheus with a configuration, and returns its port."""
    running = []

    def start(configuration: dict[str, Any]) -> int:
        port = free_port()
        file = tmp_path / "prometheus.yml"
        file.write_text(json.dumps(configuration))
        command = [prometheus_binary, f"--config.file={file}", f"--storage.tsdb.path={tmp_path}/data"]
        with (tmp_path / "prometheus.log").open("w") as log:
            running.append(
                subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
            )
        return port

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_prometheus_itself(
    gunicorn: START, prometheus: Callable[[dict[str, Any]], int], promtool: Path, authority: Authority, tmp_path: Path
) -> None:
    """A real Prometheus scrapes over TLS with a client certificate, by password and by token, and not without them; and
    its own tool finds the web configuration good."""
    authority.issue("server")
    certificate, key = authority.issue("scraper", "scraper")
    web_config = tmp_path / "web.yml"
    web_config.write_text(
        f"""
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {authority.file}
  min_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
http_server_config:
  http2: true
  headers: {{X-Content-Type-Options: nosniff}}
basic_auth_users:
  joe: {hashed()}
"""
    )
    checked = subprocess.run([promtool, "check", "web-config", web_config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    env = {"PROMETHEUS_WEB_CONFIG_FILE": str(web_config), "PROMETHEUS_BEARER_TOKEN": TOKEN}
    server = gunicorn(APP, env=env)
    server.get()
    tls = {"ca_file": str(authority.file), "cert_file": certificate, "key_file": key}
    jobs: dict[str, dict[str, Any]] = {
        "password": {"basic_auth": {"username": "joe", "password": PASSWORD}, "tls_config": tls},
        "token": {"authorization": {"credentials": TOKEN}, "tls_config": tls},
        "wrong password": {"basic_auth": {"username": "joe", "password": "x"}, "tls_config": tls},
        "no certificate": {
            "authorization": {"credentials": TOKEN},
            "tls_config": {"ca_file": str(authority.file)},
        },
    }
    port = prometheus(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": name,
                    "scheme": "https",
                    "static_configs": [{"targets": [f"127.0.0.1:{server.metrics_port}"]}],
                    **job,
                }
                for name, job in jobs.items()
            ],
        }
    )

    def targets() -> dict[str, tuple[str, str]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=5) as response:
            found = json.load(response)["data"]["activeTargets"]
        return {each["labels"]["job"]: (each["health"], each["lastError"]) for each in found}

    def have_been_scraped() -> bool:
        try:
            found = targets()
        except OSError:
            return False
        return len(found) == len(jobs) and all(health != "unknown" for health, _ in found.values())

    wait_until(have_been_scraped, 30)
    time.sleep(1.5)
    found = targets()
    assert found["password"] == ("up", "")
    assert found["token"] == ("up", "")
    assert found["wrong password"][0] == "down"
    assert "401" in found["wrong password"][1]
    assert found["no certificate"][0] == "down"
    assert "certificate required" in found["no certificate"][1]


def test_a_dirty_arbiter_lets_go_of_the_port(gunicorn: START) -> None:
    """The process that Gunicorn (25 on) forks for dirty workers holds no copy of the listening socket."""
    conf = "dirty_apps = ['dirty:Dirty']\ndirty_workers = 1\n"
    server = gunicorn(APP, conf=conf, files={"dirty.py": DIRTY})

    def dirty() -> list[psutil.Process]:
        try:
            return [child for child in psutil.Process(server.pid).children() if child.children()]
        except psutil.NoSuchProcess:
            return []

    def listening(process: psutil.Process) -> bool:
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr.port == server.metrics_port
            for each in process.net_connections()
        )

    first = wait_until(dirty)[0]
    assert listening(psutil.Process(server.pid))
    assert not listening(first)
    first.terminate()
    second = wait_until(lambda: [process for process in dirty() if process.pid != first.pid], 20)[0]
    assert not listening(second)
