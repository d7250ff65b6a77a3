"""HUP and USR2: whatever they change, counters go on and every scrape is answered."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from gunicorn.config import make_settings

from tests.e2e.exposition import Exposition
from tests.e2e.harness import WORKER_CLASSES, Gunicorn, free_port, wait_until
from tests.e2e.stored import reasons, scraped, signals, stored_by, stored_in

APP = Path(__file__).with_name("lifecycle_app.py")
START = Callable[..., Gunicorn]
PLAIN = "gunicorn.workers.sync.SyncWorker"
# The control socket of Gunicorn 25 leaks a thread and its descriptors with many a reload.
WITHOUT_CONTROL_SOCKET = ["--no-control-socket"] if "control_socket_disable" in make_settings() else []
# Gunicorn lets the command line win over the file, so the file takes its own settings off the command line.
READ_FROM_FILES = """
import os, sys
for option in ("--worker-class", "--workers"):
    if option in sys.argv:
        place = sys.argv.index(option)
        del sys.argv[place : place + 2]
if os.path.exists("class"):
    worker_class = open("class").read()
if os.path.exists("workers"):
    workers = int(open("workers").read())
if os.path.exists("env"):
    for line in open("env"):
        name, _, value = line.strip().partition("=")
        os.environ[name] = value
"""

pytestmark = pytest.mark.matrix


def configured(gunicorn: START, worker_class: str = "sync", workers: int = 1, **options: object) -> Gunicorn:
    """A server whose configuration file decides, so that a reload can change it."""
    files = {"class": WORKER_CLASSES.get(worker_class, worker_class), "workers": str(workers)}
    return gunicorn(APP, conf=READ_FROM_FILES, files=files, worker_class=worker_class, workers=workers, **options)


def reload(server: Gunicorn, **files: str) -> None:
    """Change the files that the configuration reads, HUP, and wait until the workers are all new."""
    for name, text in files.items():
        (server.home / name).write_text(text)
    old = set(server.worker_pids())
    server.signal(signal.SIGHUP)
    wanted = int((server.home / "workers").read_text())
    wait_until(lambda: not old & set(server.worker_pids()) and len(server.worker_pids()) == wanted, 20)


@contextlib.contextmanager
def never_refused(server: Gunicorn) -> Iterator[list[Exposition]]:
    """Scrape all the time; no scrape may fail and no counter go back."""
    stop, seen, failed = threading.Event(), list[Exposition](), list[BaseException]()

    def scrape() -> None:
        while not stop.wait(0.01):
            try:
                seen.append(server.scrape_once())
            except BaseException as error:
                failed.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(10)
    assert not failed
    assert seen
    for before, after in itertools.pairwise(seen):
        after.assert_not_before(before)


def test_worker_count(gunicorn: START) -> None:
    """More workers, then fewer: the series of those that are gone go, and their counters stay."""
    server = configured(gunicorn)
    with never_refused(server):
        reload(server, workers="3")
        scraped(server, lambda e: len(e.samples("gunicorn_worker_start_time_seconds")) == 3)
        scraped(server, lambda e: reasons(e) == {"reload": 1})
        reload(server, workers="1")
        seen = scraped(server, lambda e: reasons(e) == {"reload": 4})
    scraped(server, lambda e: len(e.samples("gunicorn_worker_start_time_seconds")) == 1)
    assert seen.value("gunicorn_workers_spawned_total") == 5


@pytest.mark.parametrize(("old", "new"), [("sync", "gthread"), ("gthread", PLAIN), (PLAIN, "sync")])
def test_worker_class(gunicorn: START, old: str, new: str) -> None:
    """Into the exporter's classes, from one to another, and out of them."""
    server = configured(gunicorn, old, workers=2, serves=old != PLAIN)
    server.get("/")
    reload(server, **{"class": WORKER_CLASSES.get(new, new)})
    seen = scraped(server, lambda e: reasons(e) == {"reload": 2})
    info = seen.samples("gunicorn_info")
    assert [sample.labels["worker_class"] for sample in info] == [WORKER_CLASSES.get(new, new)]
    assert [sample.value for sample in info] == [1]
    server.get("/")
    requests = (old != PLAIN) + (new != PLAIN)
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") == requests)
    # And back again.
    reload(server, **{"class": WORKER_CLASSES.get(old, old)})
    server.get("/")
    requests += old != PLAIN
    seen = scraped(server, lambda e: reasons(e) == {"reload": 4})
    scraped(server, lambda e: e.total("gunicorn_http_requests_total") == requests)
    # What the exporter has not seen coming, it did not count: the first of the reloads, if that brought it in.
    assert seen.value("gunicorn_master_reloads_total") == (1 if old == PLAIN else 2)
    assert server.stop() == 0
    assert reasons(stored_by(server)) == {"reload": 4, "shutdown": 2}
    assert "Traceback" not in server.log()


def test_settings(gunicorn: START) -> None:
    """Settings are read again: here the port, and whether there are families by worker."""
    server = configured(gunicorn)
    first, second = server.metrics_port, free_port()
    server.get("/")
    scraped(server, lambda e: e.total("gunicorn_worker_requests_total") == 1)
    reload(server, env=f"PROMETHEUS_METRICS_PORT={second}\nPROMETHEUS_LEGACY_METRICS=false")
    server.metrics_port = second
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 1)
    assert not seen.samples("gunicorn_worker_requests_total")
    server.metrics_port = first
    with pytest.raises(OSError, match="refused"):
        server.fetch()


def test_settings_that_cannot_be_used(gunicorn: START) -> None:
    """A reload with bad settings, or a port that somebody has: said once, and what was in force stays."""
    server = configured(gunicorn)
    reload(server, env="PROMETHEUS_METRICS_PORT=many")
    server.wait_logged("The settings in force stay in force")
    server.scrape_once()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        reload(server, env=f"PROMETHEUS_METRICS_PORT={other.getsockname()[1]}")
        server.wait_logged("serves the metrics as it did before")
        scraped(server, lambda e: reasons(e) == {"reload": 2})


class Upgrade:
    """USR2 on a server: the new master beside the old one."""

    def __init__(self, server: Gunicorn) -> None:
        self.server = server
        self.old = server.pid

    def begin(self, old: int) -> int:
        """Send USR2 to the master ``old``; the new master, once its workers have booted."""
        before = {child.pid for child in psutil.Process(old).children()}
        os.kill(old, signal.SIGUSR2)

        def new_master() -> int | None:
            for child in psutil.Process(old).children():
                if child.pid not in before and self.server.worker_pids(child.pid):
                    return child.pid
            return None

        return wait_until(new_master, 20, "a new master") or 0

    def end(self, master: int) -> None:
        """TERM a master and wait until it is gone."""
        os.kill(master, signal.SIGTERM)
        if master == self.server.pid:
            self.server.process.wait(15)
        else:
            wait_until(lambda: not psutil.pid_exists(master) or is_zombie(master), 15)


def is_zombie(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("named", [True, False], ids=["named directory", "private directory"])
def test_upgrade(gunicorn: START, named: bool) -> None:
    """Roll an upgrade back, then go through with it, then upgrade again: no scrape is refused, no counter goes back."""
    options: dict[str, object] = {} if named else {"directory": ""}
    server = gunicorn(APP, workers=1, **options)
    upgrade = Upgrade(server)
    last = server.pid
    try:
        with never_refused(server):
            server.get("/")
            new = last = upgrade.begin(server.pid)
            scraped(server, lambda e: len(e.samples("gunicorn_worker_start_time_seconds")) == 2)
            upgrade.end(new)
            seen = scraped(server, lambda e: len(e.samples("gunicorn_worker_start_time_seconds")) == 1)
            assert signals(seen)["usr2"] == 1
            wait_until(lambda: server.scrape_once().total("gunicorn_worker_exits_total") == 1)
            # Gunicorn's old master forgets the new one when it reaps it.
            time.sleep(1.2)
            new = last = upgrade.begin(server.pid)
            server.get("/")
            upgrade.end(server.pid)
            seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 2)
            assert reasons(seen) == {"shutdown": 2}
            assert seen.value("gunicorn_info") == 1
            wait_until(lambda: "promoted" in server.log())
            newest = last = upgrade.begin(new)
            upgrade.end(new)
            server.get("/")
            seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 3)
            assert reasons(seen) == {"shutdown": 3}
            assert len(seen.samples("gunicorn_worker_start_time_seconds")) == 1
            assert seen.value("gunicorn_master_start_time_seconds") == pytest.approx(
                psutil.Process(newest).create_time(), abs=3
            )
    finally:
        if psutil.pid_exists(last):
            upgrade.end(last)
    assert "Traceback" not in server.log()


def test_upgrade_that_does_not_boot(gunicorn: START) -> None:
    """The new code fails to load: the new master gives up, says why in its counters, and the old one goes on."""
    server = gunicorn(APP, workers=1)
    good = (server.home / "app.py").read_text()
    (server.home / "app.py").write_text("import no_such_module")
    with never_refused(server):
        server.signal(signal.SIGUSR2)
        seen = scraped(server, lambda e: reasons(e), 20)
        assert reasons(seen) == {"app_load_error": 1}
        (server.home / "app.py").write_text(good)
        wait_until(lambda: len(psutil.Process(server.pid).children()) == 1, 15)
        assert server.get("/").status == 200
    scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 1)


def test_systemd_socket(gunicorn: START) -> None:
    """Socket activation: the application's socket comes as descriptor 3, and lives through a reload.

    Not through an upgrade: Gunicorn closes descriptor 3, and then expects the new master to find it there.
    """
    conf = """
        import os
        if "ACTIVATED" in os.environ:
            os.dup2(int(os.environ.pop("ACTIVATED")), 3)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        server = gunicorn(APP, conf=conf, env={"ACTIVATED": str(fd)}, pass_fds=[fd])
        server.port = listener.getsockname()[1]
    assert server.get("/").status == 200
    with never_refused(server):
        server.signal(signal.SIGHUP)
        scraped(server, lambda e: reasons(e) == {"reload": 1})
        assert server.get("/").status == 200
        scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 2)


@pytest.mark.skipif("os.geteuid() != 0", reason="only root can drop privileges")
@pytest.mark.parametrize("named", [True, False], ids=["named directory", "private directory"])
def test_dropped_privileges(gunicorn: START, named: bool) -> None:
    """Workers that are nobody write what a master that is root serves, also what they first create as nobody."""
    app = """
        import threading
        from prometheus_client import Gauge
        late = []
        def app(environ, start_response):
            if not late:
                late.append(Gauge("late", "Created late.", multiprocess_mode="max"))
                late[0].set(5)
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
    """
    conf = """
        import os
        os.chmod(".", 0o777)
    """
    options: dict[str, object] = {} if named else {"directory": ""}
    server = gunicorn(app, conf=conf, args=["--user", "nobody", "--group", "nogroup"], wait=False, **options)
    wait_until(lambda: psutil.Process(server.pid).children(), 15)
    worker = psutil.Process(server.pid).children()[0]
    wait_until(lambda: worker.uids().real != 0, 10)
    wait_until(lambda: answers(server), 10)
    scraped(server, lambda e: e.total("gunicorn_http_requests_total") >= 1 and e.total("late") == 5)
    worker.kill()
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"sigkill": 1}
    wait_until(lambda: answers(server), 10)
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") >= 2)
    assert not seen.samples("gunicorn_exporter_errors_total")


def answers(server: Gunicorn) -> bool:
    try:
        return server.get("/").status == 200
    except OSError:
        return False


def test_reloads_under_load(gunicorn: START) -> None:
    """Reloads at random moments under load, with workers killed and aborted: nothing hangs, leaks or goes uncounted."""
    args = ["--preload", "--threads", "4", *WITHOUT_CONTROL_SOCKET]
    server = gunicorn(APP, worker_class="gthread", workers=2, args=args)
    chance = random.Random(20)
    stop, answered = threading.Event(), [0, 0, 0]

    def load(number: int) -> None:
        while not stop.is_set():
            # A worker that is killed in the middle of an answer leaves half of one.
            with contextlib.suppress(OSError, ValueError, EOFError, http.client.HTTPException):
                if server.get("/").status == 200:
                    answered[number] += 1
            time.sleep(0.005)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    master = psutil.Process(server.pid)
    # The first reload has the second generation of everything: as much as there ever is at a time.
    server.signal(signal.SIGHUP)
    scraped(server, lambda e: e.total("gunicorn_worker_exits_total") == 2, 20)
    wait_until(lambda: settled(server), 20)
    before = (master.num_fds(), master.num_threads())
    try:
        for number in range(20):
            server.signal(signal.SIGHUP)
            time.sleep(chance.random() * 0.4)
            victims = server.worker_pids()
            if victims and number % 2:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(victims), chance.choice([signal.SIGABRT, signal.SIGKILL]))
        wait_until(lambda: settled(server), 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join(15)
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") >= sum(answered))
    assert seen.total("gunicorn_worker_exits_total") == seen.value("gunicorn_workers_spawned_total") - 2
    assert "unknown" not in reasons(seen)
    assert signals(seen)["hup"] == seen.value("gunicorn_master_reloads_total")
    assert not seen.samples("gunicorn_exporter_errors_total")
    after = (master.num_fds(), master.num_threads())
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1]
    assert server.stop() == 0
    assert stored_in(server.directory or Path()).total("gunicorn_worker_exits_total") == seen.value(
        "gunicorn_workers_spawned_total"
    )


def settled(server: Gunicorn) -> bool:
    """Whether no signal is left in Gunicorn's queue, and two workers live."""
    before = server.scrape_once()
    time.sleep(1.5)
    seen = server.scrape_once()
    living = seen.total("gunicorn_workers_spawned_total") - seen.total("gunicorn_worker_exits_total")
    return living == 2 and len(server.worker_pids()) == 2 and signals(seen) == signals(before)
