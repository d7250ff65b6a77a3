"""Every end of a worker is counted once, under its reason."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.stored import reasons, scraped, stored_by

APP = Path(__file__).with_name("lifecycle_app.py")
START = Callable[..., Gunicorn]

pytestmark = pytest.mark.matrix


def send(server: Gunicorn, path: str) -> threading.Thread:
    """One request in a thread, whatever becomes of it."""

    def request() -> None:
        with contextlib.suppress(OSError, HTTPException, ValueError):
            server.get(path)

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    return thread


def assert_legacy_agrees(server: Gunicorn) -> None:
    """The families by worker add up to the exits."""
    seen = server.scrape_once()
    exits = seen.total("gunicorn_worker_exits_total")
    for family in ("worker_restart", "worker_restart_count", "master_worker_restart_count"):
        assert seen.total(f"gunicorn_{family}_total") == exits, family


def test_max_requests_under_load(gunicorn: START, worker_class: str) -> None:
    """Workers recycled under load: as many exits as spawned, none of another reason, and every answer counted."""
    server = gunicorn(APP, worker_class=worker_class, workers=2, args=["--max-requests", "10"])
    answered = lost = 0
    while server.scrape_once().total("gunicorn_worker_exits_total") < 4:
        assert answered < 5000
        # A gevent worker looks only once a second whether it has served enough.
        for _ in range(30):
            try:
                assert server.get("/").status == 200
                answered += 1
            except (OSError, HTTPException, ValueError):
                # Some of Gunicorn's worker classes leave with a connection that they have accepted.
                lost += 1
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total", endpoint="/") >= answered)
    assert answered <= seen.value("gunicorn_http_requests_total", endpoint="/") <= answered + lost
    assert set(reasons(seen)) == {"max_requests"}
    wait_until(lambda: len(server.worker_pids()) == 2)
    seen = scraped(server, lambda e: e.total("gunicorn_worker_uptime_seconds", worker_id="2"))
    assert seen.value("gunicorn_workers_spawned_total") == reasons(seen)["max_requests"] + 2
    assert_legacy_agrees(server)


@pytest.mark.parametrize(
    ("path", "endpoint"), [("/hang", "/hang"), ("/hang-unrouted", "__unrouted__")], ids=["routed", "unrouted"]
)
def test_timeout(gunicorn: START, path: str, endpoint: str) -> None:
    """A view that hangs past the timeout: one exit with that reason, one timeout for its endpoint."""
    server = gunicorn(APP, args=["--timeout", "1"])
    send(server, path)
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"timeout": 1}
    assert seen.value("gunicorn_worker_timeouts_total") == 1
    assert seen.value("gunicorn_worker_timeouts_total", endpoint=endpoint) == 1
    assert seen.value("gunicorn_http_requests_total", endpoint=endpoint) == 1
    assert_legacy_agrees(server)


def test_timeout_without_a_request(gunicorn: START) -> None:
    """A worker that hangs while it boots was serving nothing, and counts all the same."""
    conf = """
        import os, time
        def post_worker_init(worker):
            if not os.path.exists("hung"):
                open("hung", "w").close()
                worker.notify()
                time.sleep(60)
    """
    server = gunicorn(APP, args=["--timeout", "1"], conf=conf)
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"timeout": 1}
    assert seen.value("gunicorn_worker_timeouts_total", endpoint="__unrouted__") == 1


def test_sigkill(gunicorn: START, worker_class: str) -> None:
    """Killed from outside, as by the kernel for want of memory; the slot's start time is the new worker's."""
    before = time.time()
    server = gunicorn(APP, worker_class=worker_class)
    first = server.scrape_once().value("gunicorn_worker_start_time_seconds", worker_id="1")
    assert before - 1 < first < time.time()
    killed = time.time()
    server.kill_worker()
    scraped(server, lambda e: e.total("gunicorn_worker_start_time_seconds", worker_id="1") > killed)
    seen = scraped(server, lambda e: e.total("gunicorn_workers_spawned_total") == 2)
    assert reasons(seen) == {"sigkill": 1}
    assert seen.value("gunicorn_worker_restart_total", worker_id="1", reason="sigkill") == 1
    assert seen.value("gunicorn_worker_restart_count_total", restart_type="forced") == 1
    assert_legacy_agrees(server)


def test_signals_from_outside(gunicorn: START, worker_class: str) -> None:
    """A worker that somebody else than its master told to end, or that broke down: signal."""
    server = gunicorn(APP, worker_class=worker_class)
    signums = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGABRT, signal.SIGSEGV)
    for count, signum in enumerate(signums, 1):
        server.kill_worker(signum=signum)
        seen = scraped(server, lambda e, count=count: e.total("gunicorn_worker_exits_total") == count)
        assert reasons(seen) == {"signal": count}, signum
        server.wait_booted()
    assert "gunicorn_worker_timeouts" not in server.scrape_once().text


def test_reload_and_scale_down(gunicorn: START, worker_class: str) -> None:
    """HUP replaces the workers, TTIN adds one and TTOU takes the oldest away."""
    server = gunicorn(APP, worker_class=worker_class, workers=2)
    server.signal(signal.SIGHUP)
    scraped(server, lambda e: reasons(e).get("reload") == 2)
    server.wait_booted()
    server.signal(signal.SIGTTIN)
    server.wait_booted(3)
    server.signal(signal.SIGTTOU)
    server.wait_booted(2)
    seen = scraped(server, lambda e: e.total("gunicorn_worker_exits_total") == 3)
    assert reasons(seen) == {"reload": 2, "scale_down": 1}
    assert seen.value("gunicorn_workers_spawned_total") == 5
    assert seen.value("gunicorn_master_reloads_total") == 1
    assert len(seen.samples("gunicorn_worker_start_time_seconds")) == 2
    assert_legacy_agrees(server)


def test_killed_while_it_was_told_to_end(gunicorn: START) -> None:
    """A violent end during a reload is not the reload's."""
    server = gunicorn(APP)
    victim = server.worker_pids()[0]
    thread = send(server, "/hang")
    wait_until(lambda: server.scrape_once().total("gunicorn_worker_requests_in_progress") == 1)
    server.signal(signal.SIGHUP)
    wait_until(lambda: len(server.booted_pids()) == 2)
    time.sleep(0.3)
    server.kill_worker(victim)
    thread.join(5)
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"sigkill": 1}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT], ids=lambda s: s.name)
def test_shutdown(gunicorn: START, worker_class: str, signum: int) -> None:
    """What the master stops at its end is in the files afterwards."""
    server = gunicorn(APP, worker_class=worker_class, workers=2)
    assert server.stop(signum) == 0
    left = stored_by(server)
    assert reasons(left) == {"shutdown": 2}
    assert left.value("gunicorn_workers_spawned_total") == 2
    for alive in ("gunicorn_worker_start_time_seconds", "gunicorn_master_start_time_seconds", "gunicorn_info"):
        assert not left.samples(alive)


def test_shutdown_that_ran_out_of_patience(gunicorn: START) -> None:
    """A worker that the stopping master kills is counted, with the request that it was serving."""
    server = gunicorn(APP, args=["--graceful-timeout", "1"])
    send(server, "/hang")
    wait_until(lambda: server.scrape_once().total("gunicorn_worker_requests_in_progress") == 1)
    assert server.stop() == 0
    left = stored_by(server)
    assert reasons(left) == {"shutdown": 1}
    assert left.value("gunicorn_http_requests_total", endpoint="/hang") == 1


@pytest.mark.parametrize(
    ("app", "conf", "reason"),
    [
        ("import no_such_module", "", "app_load_error"),
        ("application = None", "", "app_load_error"),
        ("raise ValueError('no')", "", "app_load_error"),
        ("def app(environ, start_response): ...", "def post_worker_init(worker): raise ValueError('no')", "boot_error"),
        (
            "def app(environ, start_response): ...",
            "def post_fork(server, worker): raise ValueError('no')",
            "boot_error",
        ),
    ],
    ids=["import", "attribute", "exception", "post_worker_init", "post_fork"],
)
def test_does_not_boot(gunicorn: START, app: str, conf: str, reason: str) -> None:
    """An application that cannot be loaded, or a worker that cannot start, is visible to a sidecar afterwards."""
    server = gunicorn(app, conf=conf, wait=False)
    assert server.process.wait(15) in (1, 3, 4)
    left = stored_by(server)
    assert reasons(left) == {reason: 1}
    assert left.value("gunicorn_worker_restart_total", worker_id="1", reason=reason) == 1


def test_several_do_not_boot(gunicorn: START) -> None:
    """Every worker that fails to load the application counts; those that the master stops for it are a shutdown."""
    server = gunicorn("import no_such_module", workers=3, wait=False)
    assert server.process.wait(15) in (1, 3, 4)
    left = stored_by(server)
    assert reasons(left)["app_load_error"] >= 1
    assert set(reasons(left)) <= {"app_load_error", "shutdown"}
    assert left.total("gunicorn_worker_exits_total") == left.value("gunicorn_workers_spawned_total")


def test_crash_of_the_main_loop(gunicorn: START, worker_class: str) -> None:
    """An exception that nobody catches in the worker's main loop."""
    conf = """
        import os
        def post_worker_init(worker):
            if not os.path.exists("broken"):
                open("broken", "w").close()
                worker.notify = lambda: 1 / 0
        """
    server = gunicorn(APP, worker_class=worker_class, conf=conf, wait=False)
    wait_until(lambda: "ZeroDivisionError" in server.log(), 15)
    server.wait_booted(1)
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"crash": 1}


def test_crash_in_a_request(gunicorn: START, worker_class: str) -> None:
    """A process that goes away in the middle of a request: a crash, and the request is counted."""
    server = gunicorn(APP, worker_class=worker_class)
    send(server, "/exit")
    seen = scraped(server, lambda e: reasons(e) and e.total("gunicorn_http_requests_total") == 1)
    assert reasons(seen) == {"crash": 1}
    assert seen.value("gunicorn_http_requests_total", endpoint="/exit", status="500") == 1


def test_changed_code(gunicorn: START) -> None:
    """Gunicorn's ``reload``: a worker that leaves because its code changed."""
    server = gunicorn(APP, args=["--reload", "--reload-engine", "poll"])
    time.sleep(1.2)
    os.utime(server.home / "app.py", (time.time() + 5, time.time() + 5))
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"reload": 1}


def test_left_of_its_own_accord(gunicorn: START) -> None:
    """A hook of the user's that ends its worker has a reason that nobody can tell."""
    conf = """
        def post_request(worker, req, environ, resp):
            worker.alive = req.path != "/leave"
    """
    server = gunicorn(APP, conf=conf)
    server.get("/")
    server.get("/leave")
    seen = scraped(server, lambda e: reasons(e))
    assert reasons(seen) == {"unknown": 1}


def test_daemon_winch(gunicorn: START) -> None:
    """Under ``--daemon`` WINCH stops the workers and the master stays, HUP brings them back."""
    server = gunicorn(APP, workers=2, args=["--daemon", "--error-logfile", "daemon.log"], wait=False)
    server.process.wait(15)
    wait_until(server.pidfile.exists, 15)
    master = wait_until(lambda: int(server.pidfile.read_text() or 0), 15)
    try:
        wait_until(lambda: len(server.worker_pids(master)) == 2, 15)
        os.kill(master, signal.SIGWINCH)
        seen = scraped(server, lambda e: e.total("gunicorn_worker_exits_total") == 2)
        assert reasons(seen) == {"scale_down": 2}
        assert not seen.samples("gunicorn_worker_start_time_seconds")
        assert seen.value("gunicorn_master_signals_total", signal="winch") == 1
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: len(server.worker_pids(master)) == 2, 15)
    finally:
        os.kill(master, signal.SIGTERM)
        wait_until(lambda: not server.pidfile.exists(), 15)
    assert reasons(stored_by(server)) == {"scale_down": 2, "shutdown": 2}


def test_foreign_children(gunicorn: START) -> None:
    """Children that are no workers, as a process 1 gets them, are nobody's exits."""
    conf = """
        import os
        def when_ready(server):
            for code in (0, 1, 0):
                if os.fork() == 0:
                    os._exit(code)
    """
    server = gunicorn(APP, conf=conf)
    server.kill_worker()
    scraped(server, lambda e: reasons(e) and e.value("gunicorn_workers_spawned_total") == 2)
    time.sleep(0.5)
    assert reasons(server.scrape_once()) == {"sigkill": 1}


def test_somebody_else_reaps(gunicorn: START) -> None:
    """A hook that takes the exit status away from Gunicorn: the worker still counts, once."""
    conf = """
        import contextlib, os, signal
        def on_reload(server):
            for pid in list(server.WORKERS):
                os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
    """
    server = gunicorn(APP, conf=conf)
    server.signal(signal.SIGHUP)
    seen = scraped(server, lambda e: reasons(e))
    assert sum(reasons(seen).values()) == 1
    time.sleep(1.5)
    assert sum(reasons(server.scrape_once()).values()) == 1
