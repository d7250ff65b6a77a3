"""How busy the workers are, and what is waiting in front of them."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from signal import SIGCONT, SIGHUP, SIGSTOP, SIGTTOU

import psutil
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.e2e.client import Connection
from tests.e2e.conftest import GUNICORN_MAJOR
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn, wait_until

# /<seconds> takes so long, /burn/<seconds> uses the processor for so long.
APP = """
import time

def app(environ, start_response):
    path = environ["PATH_INFO"].strip("/")
    if path.startswith("burn/"):
        end = time.process_time() + float(path[5:])
        while time.process_time() < end:
            pass
    elif path:
        time.sleep(float(path))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""

BUSY = "gunicorn_worker_busy_seconds_total"
SECONDS = "gunicorn_worker_request_seconds_total"
SLACK = 0.7
"""Seconds by which a busy machine may be late."""
POOL = ("gunicorn_worker_threads", "gunicorn_worker_threads_busy", "gunicorn_worker_pool_queue_length")
ASYNC = ("gevent", "eventlet")

pytestmark = pytest.mark.matrix
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

Start = Callable[..., Gunicorn]


@contextmanager
def requests(server: Gunicorn, paths: Sequence[str]) -> Iterator[None]:
    """Requests under way at the same time; all are answered at the end."""
    with ThreadPoolExecutor(len(paths)) as clients:
        answers = [clients.submit(server.get, path) for path in paths]
        yield
        assert [answer.result().status for answer in answers] == [200] * len(paths)


@contextmanager
def full_load(server: Gunicorn, path: str, clients: int) -> Iterator[None]:
    """As many clients as that, each of which asks again as soon as it has its answer."""
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            server.get(path)

    with ThreadPoolExecutor(clients) as threads:
        running = [threads.submit(client) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
        for each in running:
            each.result()


def busy_ratio(server: Gunicorn, seconds: float) -> float:
    """The share of the next ``seconds`` in which the worker is busy."""
    before, started = server.scrape_once().total(BUSY), time.monotonic()
    time.sleep(seconds)
    after, ended = server.scrape_once().total(BUSY), time.monotonic()
    return (after - before) / (ended - started)


def workers(seen: Exposition) -> dict[str, float]:
    """How many workers are in each state that any is in."""
    return {s.labels["state"]: s.value for s in seen.samples("gunicorn_workers") if s.value}


def test_busy_ratio_of_a_sync_worker(gunicorn: Start) -> None:
    """1 under full load, although each request is short; 0 when nothing happens; in between what it is."""
    server = gunicorn(APP, worker_class="sync")
    assert busy_ratio(server, 1.5) == pytest.approx(0.0, abs=0.05)
    with full_load(server, "/0.002", clients=6):
        server.scrape_until(lambda e: e.total(BUSY) > 0)
        # On a machine with other work the clients may not keep up: then the worker does wait. One window in which they
        # do is enough, since a ratio that leaves something out never gets there.
        wait_until(lambda: busy_ratio(server, 1.5) == pytest.approx(1.0, abs=0.05), 40)
    server.get("/0.5")
    started = time.monotonic()
    before = server.scrape_once().total(BUSY)
    for _ in range(2):
        time.sleep(0.5)
        server.get("/0.5")
    busy = server.scrape_once().total(BUSY) - before
    assert 1.0 <= busy <= time.monotonic() - started - 0.9


def test_busy_while_a_request_runs(gunicorn: Start, worker_class: str) -> None:
    """Busy seconds advance during one long request, do not double with two, and stop with the last one."""
    server = gunicorn(APP, worker_class=worker_class, args=["--threads", "4"])
    overlap = worker_class != "sync"
    with requests(server, ["/2.5", "/1.5"] if overlap else ["/2.5"]):
        started = time.monotonic()
        first = server.scrape_until(lambda e: e.total("gunicorn_worker_requests_in_progress") == 1 + overlap)
        assert workers(first) == {"busy": 1}
        time.sleep(0.8)
        second = server.scrape()
        assert 0.8 <= second.total(BUSY) - first.total(BUSY) <= time.monotonic() - started
        assert second.total(SECONDS) == 0
    done = server.scrape_until(lambda e: e.total(SECONDS) > 2)
    passed = time.monotonic() - started
    assert (4.0 if overlap else 2.5) <= done.total(SECONDS) <= passed * (1 + overlap)
    assert 2.5 <= done.total(BUSY) <= passed + SLACK
    assert workers(done) == {"idle": 1}
    time.sleep(0.3)
    assert server.scrape().total(BUSY) == done.total(BUSY)


def test_busy_until_killed(gunicorn: Start, worker_class: str) -> None:
    """What a killed worker was busy with is counted, and the next one in its slot continues."""
    server = gunicorn(APP, worker_class=worker_class)
    server.get("/0.3")
    with server.connect() as connection:
        connection.send_head("GET", "/60")
        started = time.monotonic()
        before = server.scrape_until(lambda e: e.total("gunicorn_worker_requests_in_progress") == 1)
        time.sleep(1.4)
        server.kill_worker()
        busy = 0.3 + time.monotonic() - started
        server.wait_booted()
    after = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 2)
    after.assert_not_before(before)
    assert busy - 0.2 <= after.value(BUSY, worker_id="1") <= busy + SLACK
    assert busy - 0.2 <= after.value(SECONDS, worker_id="1") <= busy + SLACK
    server.get("/0.3")
    last = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 3)
    assert 0.3 <= last.value(BUSY, worker_id="1") - after.value(BUSY, worker_id="1") <= 0.3 + SLACK


def test_thread_pool(gunicorn: Start) -> None:
    """Two threads, ten requests of half a second: two busy, a queue of eight that empties, waits that add up."""
    server = gunicorn(APP, worker_class="gthread", args=["--threads", "2"])
    lengths = []
    with requests(server, ["/0.5"] * 10):
        seen = server.scrape_until(lambda e: e.total(POOL[2]) == 8)
        assert [seen.value(name, worker_id="1") for name in POOL] == [2, 2, 8]
        assert seen.value("gunicorn_worker_connections", worker_id="1") == 10
        while lengths[-1:] != [0]:
            lengths.append(server.scrape_once().value(POOL[2], worker_id="1"))
            time.sleep(0.05)
    assert lengths == sorted(lengths, reverse=True)
    assert {8, 6, 4, 2, 0} <= set(lengths)
    seen = server.scrape_until(lambda e: e.total(POOL[1]) == 0)
    assert seen.value("gunicorn_worker_pool_wait_seconds_count", worker_id="1") == 10
    # Two wait for nothing, two for each half second up to two seconds.
    assert seen.value("gunicorn_worker_pool_wait_seconds_sum", worker_id="1") == pytest.approx(10.0, abs=2.0)


def test_a_pool_of_the_users_own(gunicorn: Start) -> None:
    """A worker class that overrides ``get_thread_pool`` is measured as well."""
    files = {
        "custom.py": """
            from concurrent.futures import ThreadPoolExecutor
            from gunicorn_prometheus_exporter import PrometheusThreadWorker

            class Worker(PrometheusThreadWorker):
                def get_thread_pool(self):
                    return ThreadPoolExecutor(max_workers=3)
        """
    }
    server = gunicorn(APP, worker_class="custom.Worker", files=files, args=["--threads", "2"])
    with requests(server, ["/0.5"] * 5):
        seen = server.scrape_until(lambda e: e.total(POOL[2]) == 2)
        assert [seen.value(name, worker_id="1") for name in POOL] == [3, 3, 2]


def test_connections(gunicorn: Start, worker_class: str) -> None:
    """Open connections, idle ones too, and how many a worker takes; a sync worker has none to speak of."""
    server = gunicorn(APP, worker_class=worker_class, args=["--keep-alive", "30", "--worker-connections", "50"])
    names = ["gunicorn_worker_connections", "gunicorn_worker_connections_limit", *POOL]
    with ExitStack() as stack:
        if worker_class != "sync":
            for connection in [stack.enter_context(server.connect()) for _ in range(4)]:
                connection.request("GET", "/")
            seen = server.scrape_until(lambda e: e.total(names[0]) == 4)
            assert seen.value(names[1], worker_id="1") == 50
    server.scrape_until(lambda e: e.total(names[0]) == 0)
    there = [bool(server.scrape().samples(name)) for name in names]
    assert there == [worker_class != "sync"] * 2 + [worker_class == "gthread"] * 3


@linux
@pytest.mark.parametrize("kind", ["tcp", "unix", "reuse_port"])
def test_backlog(gunicorn: Start, kind: str) -> None:
    """Connections that wait behind a busy worker: of a TCP and of a Unix socket, and where workers listen alone."""
    args = {"unix": ["--bind", "unix:app.sock"], "reuse_port": ["--reuse-port"]}.get(kind, [])
    server = gunicorn(APP, worker_class="sync", args=["--backlog", "7", *args])
    listener = f"unix:{server.home}/app.sock" if kind == "unix" else f"http://127.0.0.1:{server.port}"

    def connect() -> Connection:
        return server.connect() if kind != "unix" else _unix_connection(server)

    seen = server.scrape()
    assert seen.value("gunicorn_listener_backlog", listener=_printed(seen, listener)) == 0
    limit = 7 * (server.workers if kind == "reuse_port" else 1)
    assert seen.value("gunicorn_listener_backlog_limit") == limit
    with ExitStack() as stack:
        waiting = [stack.enter_context(connect()) for _ in range(4)]
        for connection in waiting:
            connection.send_head("GET", "/0.4", {"Connection": "close"})
        server.scrape_until(lambda e: e.total("gunicorn_listener_backlog") == 3)
        for connection in waiting:
            assert connection.read_response().status == 200
    server.scrape_until(lambda e: e.total("gunicorn_listener_backlog") == 0)


def _printed(seen: Exposition, listener: str) -> str:
    """The label of the only listener, which is ``listener``, or ends so (a relative path stays one)."""
    (label,) = seen.label_values("gunicorn_listener_backlog", "listener")
    assert label == listener or (label.startswith("unix:") and listener.endswith(label.removeprefix("unix:")))
    return label


def _unix_connection(server: Gunicorn) -> Connection:
    connection = Connection.__new__(Connection)
    connection.socket = socket.socket(socket.AF_UNIX)
    connection.socket.settimeout(10)
    connection.socket.connect(str(server.home / "app.sock"))
    connection._file = None
    return connection


@linux
@pytest.mark.skipif(GUNICORN_MAJOR < 24, reason="the workers of older ones share the master's listener")
def test_backlog_adds_up_over_the_workers(gunicorn: Start) -> None:
    """Two workers that listen by themselves: one listener, with the room of both."""
    server = gunicorn(APP, worker_class="sync", workers=2, args=["--reuse-port", "--backlog", "7"])
    server.scrape_until(lambda e: e.total("gunicorn_listener_backlog_limit") == 14)
    assert server.scrape().value("gunicorn_listener_backlog", listener=f"http://127.0.0.1:{server.port}") == 0


def test_worker_states(gunicorn: Start) -> None:
    """Busy and idle as requests come and go; draining while the last one runs; as many as are configured."""
    server = gunicorn(APP, worker_class="gthread", workers=2, args=["--threads", "2", "--max-requests", "3"])
    assert workers(server.scrape()) == {"idle": 2}
    with requests(server, ["/2"]):
        server.scrape_until(lambda e: workers(e) == {"busy": 1, "idle": 1})
        server.signal(SIGHUP)
        server.scrape_until(lambda e: workers(e) == {"draining": 1, "idle": 2})
        assert server.scrape().value("gunicorn_workers_configured") == 2
    server.scrape_until(lambda e: workers(e) == {"idle": 2})
    server.signal(SIGTTOU)
    server.scrape_until(lambda e: workers(e) == {"idle": 1})
    assert server.scrape().value("gunicorn_workers_configured") == 1


def test_draining_after_max_requests(gunicorn: Start, worker_class: str) -> None:
    """The last request that ``max_requests`` allows makes its worker a draining one."""
    server = gunicorn(APP, worker_class=worker_class, args=["--max-requests", "2", "--threads", "2"])
    server.get("/")
    with requests(server, ["/1.5"]):
        server.scrape_until(lambda e: workers(e).get("draining") == 1)
    server.scrape_until(lambda e: workers(e) == {"idle": 1})


def test_booting(gunicorn: Start) -> None:
    """A worker that is still loading the application."""
    server = gunicorn("import time; time.sleep(1.5)\n" + APP, worker_class="sync", wait=False)
    wait_until(lambda: "Metrics at" in server.log())
    server.scrape_until(lambda e: workers(e) == {"booting": 1})
    server.scrape_until(lambda e: workers(e) == {"idle": 1})


@pytest.mark.parametrize(
    ("args", "forms", "counted"),
    [
        ([], ["t={s:.3f}", "{ms:.0f}", "t={us:.0f}", "{ns:.0f}"], 4),
        ([], ["t={future:.3f}", "t={old:.3f}", "yesterday", ""], 0),
        (["--forwarded-allow-ips", "10.0.0.1"], ["t={s:.3f}"], 0),
        (["--forwarded-allow-ips", "*"], ["t={s:.3f}"], 1),
    ],
)
def test_queue_time(gunicorn: Start, args: list[str], forms: list[str], counted: int) -> None:
    """What the proxy's header says, if Gunicorn trusts the proxy; else there is no such family."""
    server = gunicorn(APP, worker_class="gthread", args=args)
    name = "gunicorn_http_request_queue_seconds"
    for form, header in zip(forms, ["X_Request_Start", "X_Queue_Start"] * 2, strict=False):
        start = time.time() - 0.2
        value = form.format(s=start, ms=start * 1e3, us=start * 1e6, ns=start * 1e9, future=start + 9, old=start - 4e3)
        server.get("/", **{header: value})
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == len(forms))
    assert seen.total(f"{name}_count") == counted
    if counted:
        assert 0.2 * counted <= seen.value(f"{name}_sum") <= (0.2 + SLACK) * counted
        assert seen.value(f"{name}_bucket", le="0.1") == 0
    else:
        assert name not in seen.families


def test_processes(gunicorn: Start, worker_class: str) -> None:
    """Memory, processor time, uptime and state of each worker; a killed one takes its gauges with it."""
    server = gunicorn(APP, worker_class=worker_class, workers=2)
    for _ in range(6):
        server.get("/burn/0.1")
    seen = server.scrape_until(lambda e: e.total("gunicorn_worker_cpu_seconds_total") >= 0.6)
    pids = server.worker_pids()
    resident = sorted(psutil.Process(pid).memory_info().rss for pid in pids)
    assert sorted(s.value for s in seen.samples("gunicorn_worker_memory_bytes")) == pytest.approx(resident, rel=0.1)
    assert seen.label_values("gunicorn_worker_cpu_seconds_total", "mode") == {"user", "system"}
    assert seen.total("gunicorn_worker_cpu_percent") > 0
    for worker in ("1", "2"):
        assert 0 < seen.value("gunicorn_worker_uptime_seconds", worker_id=worker) < 30
        assert seen.value("gunicorn_worker_state", worker_id=worker, state="running") == 1
    server.signal(SIGTTOU)
    wait_until(lambda: len(server.worker_pids()) == 1)
    after = server.scrape_once()
    for name in ("memory_bytes", "cpu_percent", "uptime_seconds", "state", "requests_in_progress"):
        assert len(after.samples(f"gunicorn_worker_{name}")) == 1, name
    after.assert_not_before(seen)


def test_processor_time_never_goes_back(gunicorn: Start) -> None:
    """A slot's next worker starts from nothing, the slot's counter does not."""
    server = gunicorn(APP, worker_class="sync")
    server.get("/burn/0.4")
    for _ in range(3):
        before = server.scrape_until(lambda e: e.total("gunicorn_worker_cpu_seconds_total") >= 0.3)
        time.sleep(0.6)
    used = psutil.Process(server.worker_pids()[0]).cpu_times()
    assert before.total("gunicorn_worker_cpu_seconds_total") == pytest.approx(used.user + used.system, abs=0.2)
    server.kill_worker()
    server.wait_booted()
    server.get("/burn/0.4")
    after = server.scrape_until(lambda e: e.total("gunicorn_worker_cpu_seconds_total") >= 0.7)
    after.assert_not_before(before)
    assert server.scrape_once().value("gunicorn_worker_uptime_seconds", worker_id="1") < 10


def test_a_stopped_worker(gunicorn: Start) -> None:
    """One series for the state, with the time at which it began, whatever came before."""
    server = gunicorn(APP, worker_class="sync")
    (pid,) = server.worker_pids()
    server.signal(SIGSTOP, pid)
    seen = server.scrape_until(lambda e: e.label_values("gunicorn_worker_state", "state") == {"stopped"})
    (sample,) = seen.samples("gunicorn_worker_state")
    assert abs(int(sample.labels["timestamp"]) - time.time()) < 5
    server.signal(SIGCONT, pid)
    server.scrape_until(lambda e: e.label_values("gunicorn_worker_state", "state") == {"running"})
    assert len(server.scrape_once().samples("gunicorn_worker_state")) == 1


def test_a_sidecar_sees_it_too(gunicorn: Start, worker_class: str) -> None:
    """Nobody scrapes the master, and its files say it all the same, to prometheus_client's own collector."""
    server = gunicorn(APP, worker_class=worker_class, env={"SIDECAR_MODE": "true"}, serves=False)
    server.get("/0.5")

    def values() -> dict[str, float]:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(server.directory))  # type: ignore[no-untyped-call]
        try:
            return {sample.name: sample.value for family in registry.collect() for sample in family.samples}
        except struct.error:
            # prometheus_client cannot read a file that has been created in this very moment.
            return {}

    expected = {"gunicorn_workers_configured", "gunicorn_worker_memory_bytes", "gunicorn_worker_uptime_seconds"}
    if sys.platform == "linux":
        expected |= {"gunicorn_worker_memory_pss_bytes", "gunicorn_listener_backlog"}
    wait_until(lambda: expected <= values().keys() and values().get(BUSY, 0.0) >= 0.4, what=f"{expected} in the files")
    seen = values()
    assert seen["gunicorn_worker_memory_bytes"] >= seen.get("gunicorn_worker_memory_pss_bytes", 0.0) >= 0.0
    assert seen["gunicorn_worker_memory_bytes"] > 1e6


def test_a_scrape_is_not_delayed(gunicorn: Start) -> None:
    """Sampling many workers costs a scrape milliseconds, however often it is scraped."""
    server = gunicorn(APP, worker_class="sync", workers=12, args=["--preload"])
    took = []
    for _ in range(20):
        started = time.monotonic()
        server.fetch()
        took.append(time.monotonic() - started)
    assert sorted(took)[10] < 0.1
    assert "sampler" not in server.scrape().label_values("gunicorn_exporter_errors_total", "component")
