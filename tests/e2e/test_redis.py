"""Storage in Redis: what arrives there, what it costs, and that no request ever learns what became of Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from tests.e2e.client import Connection
from tests.e2e.harness import IMPORT_ROOTS, Gunicorn, free_port, wait_until
from tests.e2e.load import Load, Witness
from tests.redis.conftest import redis_server as redis_server
from tests.redis.reading import REQUESTS, requests, segments, sources, totals
from tests.redis.servers import RedisServer

APP = Path(__file__).with_name("lifecycle_app.py")
HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
START = Callable[..., Gunicorn]
REDIS = Callable[..., RedisServer]
INTERVAL = 0.2


def configured(server: RedisServer, **more: str) -> dict[str, str]:
    """The environment of a master that publishes to ``server``."""
    return {
        "REDIS_ENABLED": "true",
        "REDIS_PORT": str(server.port),
        "REDIS_PUBLISH_INTERVAL": str(INTERVAL),
        "REDIS_TIMEOUT": "0.5",
        "PROMETHEUS_INSTANCE_ID": "pod-1",
        **more,
    }


def published(client: redis.Redis, number: int, timeout: float = 20.0) -> None:
    """Wait until Redis has exactly ``number`` requests, and see that it does not get more."""

    def has_them() -> bool:
        with contextlib.suppress(redis.RedisError):
            return requests(client) == number
        return False

    with contextlib.suppress(AssertionError):
        wait_until(has_them, timeout)
    assert requests(client) == number
    time.sleep(3 * INTERVAL)
    assert requests(client) == number


def files_below(*places: str) -> set[str]:
    """Every file in these directories."""
    return {os.path.join(root, name) for place in places for root, _, names in os.walk(place) for name in names}


def shared_files(pid: int) -> set[str]:
    """The files that ``pid`` has mapped to write to and share, or open to write to, by the names they have or had."""
    maps = [line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    mapped = {line[5] for line in maps if len(line) == 6 and line[1].startswith("rw") and line[1][3] == "s"}
    return mapped | {file.path for file in psutil.Process(pid).open_files() if file.mode != "r"}


@pytest.mark.matrix
def test_everything_arrives_and_no_file_is_made(
    gunicorn: START, redis_server: REDIS, worker_class: str, tmp_path: Path
) -> None:
    """Through a reload, a killed worker and the end: in Redis is what was sent, and nowhere else anything."""
    kept = redis_server()
    server = gunicorn(
        HELLO,
        worker_class=worker_class,
        workers=2,
        args=["--preload", "--threads", "2"],
        directory=tmp_path / "never-made",
        env=configured(kept, TMPDIR=str(tmp_path)),
    )
    for _ in range(20):
        assert server.get().status == 200
    published(kept.client(), 20)
    server.kill_worker()
    server.wait_booted()
    server.signal(signal.SIGHUP)
    wait_until(lambda: len(server.booted_pids()) >= 5, what="new workers")
    server.wait_booted()
    for _ in range(20):
        assert server.get().status == 200
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 40)
    assert seen.value("gunicorn_exporter_redis_up") == 1
    assert seen.value("gunicorn_exporter_redis_publish_failures_total") == 0
    assert 0 < seen.value("gunicorn_exporter_redis_publish_duration_seconds") < 5
    assert 'storage="redis"' in seen.text
    assert not (tmp_path / "never-made").exists()
    assert not {name for name in files_below(str(tmp_path), str(server.home)) if name.endswith((".db", ".lock"))}
    for pid in (server.pid, *server.worker_pids()):
        files = {path for path in shared_files(pid) if not path.startswith(("/memfd:", "/dev/zero", str(server.home)))}
        assert not files
    assert server.stop() == 0
    assert "MonkeyPatchWarning" not in server.log()
    assert requests(kept.client()) == 40
    assert not any(kept.client().exists(f"gunicorn:v1:{{pod-1}}:{s.incarnation}:alive") for s in sources(kept.client()))


def test_no_request_learns_of_an_outage(gunicorn: START, redis_server: REDIS) -> None:
    """Redis hangs, dies, comes back empty, and is full, under load: every request is answered and in the end there."""
    kept = redis_server()
    server = gunicorn(HELLO, workers=3, args=["--max-requests", "400"], env=configured(kept))
    published(kept.client(), 0)
    with Witness(server):
        load = Load(server, 3000, threads=3).start()
        wait_until(lambda: load.answered > 100)
        kept.pause()
        time.sleep(3)
        before = time.monotonic()
        seen = server.scrape_once()
        assert time.monotonic() - before < 2.0
        assert seen.total(REQUESTS) > 100
        wait_until(lambda: server.scrape_once().value("gunicorn_exporter_redis_up") == 0)
        kept.resume()
        wait_until(lambda: server.scrape_once().value("gunicorn_exporter_redis_up") == 1, 20)
        kept.stop()
        time.sleep(1)
        kept.start()
        wait_until(lambda: sources(kept.client()), 30)
        kept.client().config_set("maxmemory", "1")
        wait_until(lambda: server.scrape_once().value("gunicorn_exporter_redis_up") == 0)
        kept.client().config_set("maxmemory", "0")
        load.finish(90)
    assert load.answered == load.sent == 3000
    published(kept.client(), 3000, timeout=30)
    assert server.scrape().value("gunicorn_exporter_redis_publish_failures_total") >= 3
    log = server.log()
    assert log.count("cannot publish to Redis") == 1
    assert "publishes to Redis again" in log
    assert "Traceback" not in log


def test_redis_is_away_from_the_start(gunicorn: START, redis_server: REDIS) -> None:
    """The server starts all the same; when Redis is there it gets everything."""
    kept = redis_server()
    kept.stop()
    server = gunicorn(HELLO, env=configured(kept))
    for _ in range(5):
        assert server.get().status == 200
    server.scrape_until(lambda e: e.total(REQUESTS) == 5 and e.value("gunicorn_exporter_redis_up") == 0)
    kept.start()
    published(kept.client(), 5, timeout=30)


def test_a_killed_master_loses_an_interval_at_most(gunicorn: START, redis_server: REDIS) -> None:
    """What was counted an interval ago is there, and what meant that it lived goes in time."""
    kept = redis_server()
    server = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="2"))
    for _ in range(30):
        assert server.get().status == 200
    time.sleep(INTERVAL + 0.5)
    server.signal(signal.SIGKILL)
    assert requests(kept.client()) == 30
    (source,) = sources(kept.client())
    wait_until(lambda: not kept.client().exists(f"gunicorn:v1:{{pod-1}}:{source.incarnation}:alive"), 5)


@pytest.mark.matrix
def test_two_masters_of_one_upgrade(gunicorn: START, redis_server: REDIS) -> None:
    """Across USR2 both count in one memory, which one of them publishes: nothing is lost and nothing counts twice."""
    kept = redis_server()
    server = gunicorn(APP, env=configured(kept))
    for _ in range(10):
        assert server.get().status == 200
    published(kept.client(), 10)
    server.signal(signal.SIGUSR2)
    newer = Path(f"{server.pidfile}.2")
    wait_until(newer.exists, 20)
    successor = int(newer.read_text())
    try:
        wait_until(lambda: server.worker_pids(successor), 20)
        for _ in range(10):
            assert server.get().status == 200
        published(kept.client(), 20)
        server.signal(signal.SIGTERM)
        wait_until(lambda: not psutil.pid_exists(server.pid) or server.process.poll() is not None, 20)
        for _ in range(10):
            assert server.get().status == 200
        published(kept.client(), 30)
        assert len(sources(kept.client())) == 1
        (source,) = sources(kept.client())
        assert kept.client().exists(f"gunicorn:v1:{{pod-1}}:{source.incarnation}:alive")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not psutil.pid_exists(successor), 20)
    assert requests(kept.client()) == 30


def own_namespace() -> list[str]:
    """The command that gives another one a namespace of process ids, empty where the machine does not allow that."""
    command = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    return command if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []


class InNamespace:
    """A gunicorn in a namespace of its own, where its master is always process 1, if the machine allows that."""

    def __init__(self, kept: RedisServer, home: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        Path(home, "app.py").write_text(HELLO)
        command = [*own_namespace(), sys.executable, "-m", "gunicorn"]
        command += ["--worker-class", "gunicorn_prometheus_exporter.PrometheusWorker", "--chdir", home]
        command += ["--bind", f"127.0.0.1:{self.port}", "app:app"]
        self.process = subprocess.Popen(
            command,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(("PROMETHEUS_", "REDIS_"))},
                **configured(kept, PROMETHEUS_INSTANCE_ID=""),
                "HOME": home,
                "XDG_RUNTIME_DIR": home,
                "PYTHONPATH": os.pathsep.join([*IMPORT_ROOTS, os.environ.get("PYTHONPATH", "")]),
                "PROMETHEUS_METRICS_PORT": str(self.metrics_port),
                "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, 30)

    def get(self) -> int:
        with Connection(self.port) as connection:
            return connection.request("GET", "/", headers={"Connection": "close"}).status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "gunicorn has ended"
        try:
            return self.get() == 200
        except OSError:
            return False


@pytest.fixture
def namespaces() -> Iterator[Callable[[RedisServer], InNamespace]]:
    """Starts gunicorns in namespaces."""
    running: list[InNamespace] = []

    def start(kept: RedisServer) -> InNamespace:
        # Not pytest's tmp_path: the path of a Unix socket in it would be too long.
        running.append(InNamespace(kept, tempfile.mkdtemp(prefix="gpe-")))
        return running[-1]

    yield start
    for server in running:
        server.kill()


def test_masters_with_equal_process_ids(redis_server: REDIS, namespaces: Callable[[RedisServer], InNamespace]) -> None:
    """On one host, with one name, in two containers: Redis has the sum, also when one is killed for good."""
    kept = redis_server()
    first, second = namespaces(kept), namespaces(kept)
    for _ in range(9):
        assert first.get() == 200
        assert second.get() == 200
    published(kept.client(), 20)
    assert len(sources(kept.client())) == 2
    first.kill()
    for _ in range(5):
        assert second.get() == 200
    published(kept.client(), 25)


def commands(client: redis.Redis, seconds: float) -> float:
    """How many commands a second Redis gets, in the next ``seconds``."""
    client.config_resetstat()
    time.sleep(seconds)
    stats = client.info("commandstats")
    ours = {name: entry["calls"] for name, entry in stats.items() if name not in {"cmdstat_config|resetstat"}}
    return float(sum(ours.values()) / seconds)


def test_a_handful_of_commands(gunicorn: START, redis_server: REDIS) -> None:
    """Next to none for an idle server, a few a second for a busy one, however busy it is."""
    kept = redis_server()
    server = gunicorn(HELLO, workers=2, env=configured(kept, REDIS_PUBLISH_INTERVAL="1"))
    assert server.get().status == 200
    time.sleep(3)
    idle = commands(kept.client(), 6.0)
    load = Load(server, 100_000, threads=2).start()
    busy = commands(kept.client(), 4.0)
    assert load.is_running
    load.stop()
    load.finish(60)
    assert load.answered > 200
    assert idle <= 3.0
    assert busy <= 12.0


PATCHED = """
from gevent import monkey
monkey.patch_all()

from gunicorn_prometheus_exporter import RedisStorageDict
from prometheus_client.mmap_dict import mmap_key

ORDERS = mmap_key("orders", "orders_total", [], [], "Orders.")
orders = RedisStorageDict("counter")

def app(environ, start_response):
    orders.write_value(ORDERS, orders.read_value(ORDERS)[0] + 1, 0.0)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
EARLY = """
from prometheus_client import Counter
early = Counter("early", "Counted before anything else.")
early.inc(3)
"""


def test_a_master_of_green_threads(gunicorn: START, redis_server: REDIS, tmp_path: Path) -> None:
    """It publishes too, what the application writes by itself, and what its configuration file has counted."""
    kept = redis_server()
    server = gunicorn(
        PATCHED,
        worker_class="gevent",
        conf=EARLY,
        args=["--preload"],
        directory=tmp_path,
        env=configured(kept),
    )
    for _ in range(6):
        assert server.get().status == 200
    published(kept.client(), 6)
    assert totals(kept.client())["orders_total"] == 6
    assert totals(kept.client())["early_total"] == 3
    kept.pause()
    assert server.get().status == 200
    server.scrape_until(lambda e: e.value("gunicorn_exporter_redis_up") == 0)
    kept.resume()
    published(kept.client(), 7)


@pytest.mark.parametrize("hook", ["redis_when_ready", "redis_sidecar_when_ready"])
def test_hooks(gunicorn: START, redis_server: REDIS, hook: str) -> None:
    """Named by hand, both publish; only the first opens a metrics endpoint."""
    kept = redis_server()
    serves = hook == "redis_when_ready"
    conf = f"from gunicorn_prometheus_exporter.hooks import {hook} as when_ready"
    server = gunicorn(HELLO, conf=conf, env=configured(kept), serves=serves)
    assert server.get().status == 200
    published(kept.client(), 1)
    (source,) = sources(kept.client())
    assert "counter_1" in segments(kept.client(), source)
    with contextlib.closing(socket.socket()) as probe:
        assert (probe.connect_ex(("127.0.0.1", server.metrics_port)) == 0) is serves


def test_without_the_library(gunicorn: START, tmp_path: Path) -> None:
    """The start ends with one message, which has the command that helps."""
    (tmp_path / "redis.py").write_text("raise ImportError('hidden by a test')")
    paths = os.pathsep.join([str(tmp_path), *IMPORT_ROOTS])
    server = gunicorn(HELLO, env={"REDIS_ENABLED": "true", "PYTHONPATH": paths}, wait=False)
    assert server.process.wait(30) == 1
    assert "pip install 'gunicorn-prometheus-exporter[redis]'" in server.log()
    assert "Traceback" not in server.log()


def test_an_endpoint_that_shows_the_fleet(gunicorn: START, redis_server: REDIS) -> None:
    """A server's own endpoint may show what all have counted; when Redis hangs it shows what it saw last, at once."""
    kept = redis_server()
    first = gunicorn(HELLO, env=configured(kept, REDIS_SCOPE="fleet"))
    second = gunicorn(HELLO, env=configured(kept, PROMETHEUS_INSTANCE_ID="pod-2"))
    for _ in range(7):
        assert first.get().status == second.get().status == 200
    first.scrape_until(lambda e: e.total(REQUESTS) == 14)
    assert second.scrape().total(REQUESTS) == 7
    assert second.stop() == 0
    second.process.wait(10)
    first.scrape_until(lambda e: e.value("gunicorn_workers_configured") == 1)
    assert first.get().status == 200
    first.scrape_until(lambda e: e.total(REQUESTS) == 15)
    kept.pause()
    first.scrape_once()
    for _ in range(3):
        started = time.monotonic()
        assert first.scrape_once().total(REQUESTS) == 15
        assert time.monotonic() - started < 2.0
        time.sleep(0.3)
    kept.resume()
    assert first.get().status == 200
    first.scrape_until(lambda e: e.total(REQUESTS) == 16, timeout=30)


def test_a_restarted_instance_goes_on(gunicorn: START, redis_server: REDIS) -> None:
    """Killed again and again under its name: the fleet's total has everything, in ever the same few keys."""
    kept = redis_server()
    sent = 0
    for _ in range(3):
        server = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="1"))
        for _ in range(5):
            assert server.get().status == 200
            sent += 1
        published(kept.client(), sent)
        server.signal(signal.SIGKILL)
        server.stop()
        time.sleep(1.2)
    server = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="1", REDIS_SCOPE="fleet"))
    server.scrape_until(lambda e: e.total(REQUESTS) == sent)
    wait_until(lambda: len(sources(kept.client())) == 1, 45)
    server.scrape_until(lambda e: e.total(REQUESTS) == sent)
    assert requests(kept.client()) == sent


def test_taken_for_gone_during_an_outage(gunicorn: START, redis_server: REDIS) -> None:
    """A network that is away for longer than the time to live: the counts have moved on, and come once all the same."""
    kept = redis_server()
    server = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="1"))
    other = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="1", PROMETHEUS_INSTANCE_ID="pod-2"))
    for _ in range(5):
        assert server.get().status == 200
    published(kept.client(), 5)
    before = {source.incarnation for source in sources(kept.client()) if source.instance == "pod-1"}
    # Only its master stands still: nobody hears of it, while its worker goes on.
    os.kill(server.pid, signal.SIGSTOP)
    for _ in range(5):
        assert server.get().status == 200
    other.signal(signal.SIGKILL)
    other.stop()
    third = gunicorn(HELLO, env=configured(kept, REDIS_TTL_SECONDS="1", PROMETHEUS_INSTANCE_ID="pod-3"))
    wait_until(lambda: not before & {source.incarnation for source in sources(kept.client())}, 60)
    os.kill(server.pid, signal.SIGCONT)
    assert server.get().status == 200
    published(kept.client(), 11)
    assert third.get().status == 200
    published(kept.client(), 12)
