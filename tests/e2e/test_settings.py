"""What each setting does to a real server: from the environment and from YAML, at the start and on a reload."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gunicorn_prometheus_exporter.settings.definition import definitions
from tests.core.server.authority import Authority
from tests.e2e.harness import Gunicorn, free_port, wait_until
from tests.e2e.stored import scraped, stored_in

START = Callable[..., Gunicorn]
APP = """
import time
def app(environ, start_response):
    word = environ["PATH_INFO"][1:]
    if word == "hang":
        time.sleep(60)
    if word.startswith("raise"):
        raise type(word, (Exception,), {})
    start_response(f"{word} Status", [("Content-Length", "0")])
    return [b""]
"""
LOAD = """
from gunicorn_prometheus_exporter import load_yaml_config
load_yaml_config("exporter.yml")
"""
# The harness gives these by variables, which would win.
HARNESS = ("PROMETHEUS_METRICS_PORT", "PROMETHEUS_BIND_ADDRESS", "PROMETHEUS_MULTIPROC_DIR")


def yaml_text(settings: Mapping[str, object]) -> str:
    """The file with ``settings``, given by their keys. JSON is YAML."""
    exporter: dict[str, Any] = {}
    for path, value in settings.items():
        *groups, name = path.split(".")
        mapping = exporter
        for group in groups:
            mapping = mapping.setdefault(group, {})
        mapping[name] = value
    return json.dumps({"exporter": exporter}, indent=1)


def given_by(source: str, settings: Mapping[str, object]) -> dict[str, Any]:
    """Options of `Gunicorn` that make the ``settings`` come from there."""
    if source == "YAML":
        return {"files": {"exporter.yml": yaml_text(settings)}, "conf": LOAD, "env": dict.fromkeys(HARNESS)}
    variables = {definition.yaml: definition.environment for definition in definitions()}
    texts = {
        variables[path]: value if isinstance(value, str) else json.dumps(value) for path, value in settings.items()
    }
    return {"env": {**dict.fromkeys(HARNESS), **texts}}


@pytest.fixture(params=["YAML", "environment"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of metrics that a dead master has left something in."""
    path = tmp_path / "metrics"
    path.mkdir()
    (path / "counter_77.db").touch()
    (path / "slot_77.lock").touch()
    return path


def listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.matrix
@pytest.mark.setting(
    "metrics_port",
    "bind_address",
    "multiproc_dir",
    "cleanup_db_files",
    "legacy_metrics",
    "time_to_first_byte",
    "methods",
    "max_series",
    "max_error_types",
    "gunicorn_workers",
    "gunicorn_keepalive",
)
def test_given(gunicorn: START, source: str, directory: Path) -> None:
    """Each of them does what it says, wherever it comes from."""
    port = free_port()
    settings: dict[str, object] = {
        "prometheus.metrics_port": port,
        "prometheus.bind_address": "127.0.0.1",
        "prometheus.multiproc_dir": str(directory),
        "cleanup.db_files": False,
        "legacy_metrics": False,
        "time_to_first_byte": True,
        "methods": "GET,PURGE",
        "limits.series": 10,
        "limits.error_types": 1,
        "gunicorn.workers": 2,
        "gunicorn.keepalive": 0,
    }
    options = given_by(source, settings)
    server = gunicorn(
        APP,
        worker_class="gthread",
        metrics_port=port,
        workers=2,
        workers_option=False,
        directory=directory,
        **options,
    )
    assert listens("127.0.0.1", port)
    assert not listens("127.0.0.2", port)
    with server.connect() as connection:
        assert connection.request("GET", "/200").headers["connection"] == "close"
    server.get("/200", method="PURGE")
    server.get("/200", method="POST")
    # One of the two workers gets more than half of them.
    for status in range(210, 240):
        assert server.get(f"/{status}").status == status
    for number in range(4):
        assert server.get(f"/raise{number}").status == 500
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 37)
    assert seen.label_values("gunicorn_http_requests_total", "method") >= {"PURGE", "_OTHER"}
    assert not seen.samples("gunicorn_http_requests_total", method="POST")
    assert seen.total("gunicorn_exporter_dropped_series_total") > 0
    assert seen.total("gunicorn_http_exceptions_total", error_type="__other__") >= 2
    assert seen.samples("gunicorn_http_time_to_first_byte_seconds_count")
    assert not seen.samples("gunicorn_worker_requests_total")
    assert (directory / "counter_77.db").exists()
    assert (directory / "counter_1.db").exists()


@pytest.mark.matrix
def test_not_given(gunicorn: START, directory: Path) -> None:
    """The same server without them is another one."""
    env = {"PROMETHEUS_BIND_ADDRESS": None}
    server = gunicorn(APP, worker_class="gthread", workers_option=False, directory=directory, env=env)
    assert listens("127.0.0.2", server.metrics_port)
    with server.connect() as connection:
        assert connection.request("POST", "/200").headers["connection"] == "keep-alive"
    for number in range(4):
        server.get(f"/raise{number}")
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 5)
    assert seen.value("gunicorn_http_requests_total", method="POST", status="200") == 1
    assert seen.total("gunicorn_http_exceptions_total", error_type="__other__") == 0
    assert not seen.samples("gunicorn_http_time_to_first_byte_seconds_count")
    assert seen.samples("gunicorn_worker_requests_total")
    assert not (directory / "counter_77.db").exists()


@pytest.mark.matrix
@pytest.mark.setting("sidecar_mode", "gunicorn_timeout")
def test_sidecar_and_timeout(gunicorn: START, source: str, tmp_path: Path) -> None:
    """No endpoint, and a worker that hangs for a second is killed."""
    options = given_by(source, {"prometheus.multiproc_dir": str(tmp_path), "sidecar_mode": True, "gunicorn.timeout": 1})
    server = gunicorn(APP, serves=False, **options)
    with server.connect(timeout=20) as connection:
        connection.send_head("GET", "/hang", {"Host": "localhost"})
        wait_until(lambda: stored_in(tmp_path).total("gunicorn_worker_timeouts_total") == 1, 20)
    assert not listens("127.0.0.1", server.metrics_port)


@pytest.mark.matrix
def test_reload(gunicorn: START) -> None:
    """A changed file takes effect, a bad one only gives a message, and one that is no longer loaded has none."""
    first = yaml_text({"legacy_metrics": False, "gunicorn.workers": 2})
    server = gunicorn(APP, conf=LOAD, files={"exporter.yml": first}, workers=2, workers_option=False)
    file = server.home / "exporter.yml"

    def reloaded(workers: int) -> None:
        old = set(server.worker_pids())
        server.signal(signal.SIGHUP)
        wait_until(lambda: not old & set(server.worker_pids()) and len(server.worker_pids()) == workers, 20)

    def has_legacy() -> bool:
        server.get("/200")
        scraped(server, lambda e: e.total("gunicorn_http_requests_total"))
        return bool(server.scrape_once().samples("gunicorn_worker_requests_total"))

    assert not has_legacy()
    file.write_text(yaml_text({"legacy_metrics": True, "gunicorn.workers": 3}))
    reloaded(3)
    assert has_legacy()

    file.write_text("exporter:\n  legacy_metrics: perhaps\n  gunicorn: {workers: 1}\n")
    reloaded(3)
    server.wait_logged("The settings in force stay in force")
    assert f"exporter.legacy_metrics ({file.resolve()}:2): 'perhaps' is not true or false" in server.log()
    assert has_legacy()

    file.unlink()
    reloaded(3)
    server.wait_logged(f"{file.resolve()}: cannot be read: No such file or directory")
    assert has_legacy()

    file.write_text(first)
    reloaded(2)
    assert not has_legacy()

    (server.home / "gunicorn.conf.py").write_text(
        (server.home / "gunicorn.conf.py").read_text().replace("load_yaml_config(", "str(")
    )
    reloaded(1)
    assert has_legacy()
    assert "Traceback" not in server.log()


BAD_STARTS = {
    "a file": ("gunicorn.conf.py", "exporter: {prometheus: {metrics_port: many}, colour: blue}", {}),
    "a file that a module of the configuration loads": ("common.py", "exporter: {colour: blue}", {}),
    "a file and the environment": (
        "gunicorn.conf.py",
        "exporter: {colour: blue}",
        {"CLEANUP_DB_FILES": "perhaps", "PROMETHEUS_BIND_ADDRES": "127.0.0.1"},
    ),
    "the environment": ("gunicorn.conf.py", "exporter:", {"CLEANUP_DB_FILES": "perhaps"}),
}


@pytest.mark.matrix
@pytest.mark.parametrize(("loader", "text", "env"), BAD_STARTS.values(), ids=BAD_STARTS)
def test_bad_start(gunicorn: START, loader: str, text: str, env: dict[str, str]) -> None:
    """One message with all that is wrong, no traceback, and an exit status that tells."""
    files = {"exporter.yml": text, "common.py": LOAD}
    conf = LOAD if loader == "gunicorn.conf.py" else "import sys; sys.path.insert(0, '.'); import common"
    server = gunicorn(APP, conf=conf, files=files, env=env, wait=False)
    assert server.process.wait(20) == 1
    log = server.log()
    assert "Traceback" not in log
    assert log.count("cannot use its settings") == 1
    assert ("exporter.colour" in log) == ("colour" in text)
    assert ("exporter.prometheus.metrics_port" in log) == ("many" in text)
    for name in env:
        assert f"{name} (environment): " in log


def https(port: int, context: ssl.SSLContext | None) -> int:
    """The status of a scrape over TLS, or without it. 0: refused."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        if context is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    )
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def subject_hash(certificate: bytes) -> str:
    """What OpenSSL calls a certificate's file in a directory of authorities, without the number."""
    names = []
    for part in x509.load_pem_x509_certificate(certificate).subject.rdns:
        lowered = [x509.NameAttribute(one.oid, " ".join(str(one.value).lower().split())) for one in part]
        names.append(x509.Name([x509.RelativeDistinguishedName(lowered)]).public_bytes()[2:])
    return f"{int.from_bytes(hashlib.sha1(b''.join(names)).digest()[:4], 'little'):08x}"


@pytest.mark.setting("ssl_certfile", "ssl_keyfile", "ssl_client_cafile", "ssl_client_auth_required")
@pytest.mark.parametrize(
    ("source", "group"), [("YAML", "prometheus.ssl"), ("YAML", "ssl"), ("environment", "prometheus.ssl")]
)
def test_tls(gunicorn: START, source: str, group: str, tmp_path: Path) -> None:
    """Under both of its names: the endpoint shows its certificate, and asks for one of the clients' authority."""
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificate, key = authority.issue("server")
    port = free_port()
    settings = {
        "prometheus.metrics_port": port,
        f"{group}.certfile": certificate,
        f"{group}.keyfile": key,
        f"{group}.client_cafile": str(clients.file),
        f"{group}.client_auth_required": True,
    }
    gunicorn(APP, metrics_port=port, **given_by(source, settings))
    assert https(port, authority.client(clients.issue("client"))) == 200
    assert https(port, authority.client(authority.issue("stranger"))) == 0
    assert https(port, authority.client()) == 0
    assert https(port, clients.client(clients.issue("client"))) == 0
    assert https(port, None) != 200


@pytest.mark.setting("ssl_enabled", "ssl_client_capath")
def test_tls_that_is_switched(gunicorn: START, source: str, tmp_path: Path) -> None:
    """The switch turns all of it on and off; authorities may be in a directory."""
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificate, key = authority.issue("server")
    directory = tmp_path / "authorities"
    directory.mkdir()
    (directory / f"{subject_hash(clients.file.read_bytes())}.0").write_bytes(clients.file.read_bytes())
    context = authority.client(clients.issue("client"))
    for enabled in (True, False):
        port = free_port()
        settings = {
            "prometheus.metrics_port": port,
            "prometheus.ssl.enabled": enabled,
            "prometheus.ssl.certfile": certificate,
            "prometheus.ssl.keyfile": key,
            "prometheus.ssl.client_capath": str(directory),
            "prometheus.ssl.client_auth_required": True,
        }
        gunicorn(APP, metrics_port=port, **given_by(source, settings))
        assert https(port, context) == (200 if enabled else 0)
        assert https(port, authority.client()) == 0
        assert (https(port, None) == 200) == (not enabled)
