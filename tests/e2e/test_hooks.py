"""The public hook functions: alone, together, with the automatic set-up, and with the user's own of the same names."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Gunicorn
from tests.e2e.stored import reasons, scraped, signals, stored_by

APP = Path(__file__).with_name("lifecycle_app.py")
START = Callable[..., Gunicorn]
PLAIN = "gunicorn.workers.sync.SyncWorker"

EACH_ONE = {
    "on_starting": "from gunicorn_prometheus_exporter.hooks import default_on_starting as on_starting",
    "when_ready": "from gunicorn_prometheus_exporter.hooks import default_when_ready as when_ready",
    "post_fork": "from gunicorn_prometheus_exporter.hooks import default_post_fork as post_fork",
    "worker_int": "from gunicorn_prometheus_exporter.hooks import default_worker_int as worker_int",
    "on_exit": "from gunicorn_prometheus_exporter.hooks import default_on_exit as on_exit",
    "redis": "from gunicorn_prometheus_exporter.hooks import redis_when_ready as when_ready",
}
ALL = "\n".join(line for name, line in EACH_ONE.items() if name != "redis")
NAMES = (
    "on_starting(server)",
    "on_reload(server)",
    "when_ready(server)",
    "pre_fork(server, worker)",
    "post_fork(server, worker)",
    "post_worker_init(worker)",
    "worker_int(worker)",
    "worker_abort(worker)",
    "pre_exec(server)",
    "pre_request(worker, req)",
    "post_request(worker, req, environ, resp)",
    "child_exit(server, worker)",
    "worker_exit(server, worker)",
    "nworkers_changed(server, new_value, old_value)",
    "on_exit(server)",
)
USERS = "".join(f"def {name}:\n    open('hooks', 'a').write('{name.split('(')[0]}\\n')\n" for name in NAMES)
CALLS_OURS = """
from gunicorn_prometheus_exporter import hooks
def around(users, ours):
    def hook(server):
        ours(server)
        users(server)
        ours(server)
    return hook
on_starting = around(on_starting, hooks.default_on_starting)
when_ready = around(when_ready, hooks.default_when_ready)
on_exit = around(on_exit, hooks.default_on_exit)
def around_two(users, ours):
    def hook(server, worker):
        ours(server, worker)
        users(server, worker)
        ours(server, worker)
    return hook
post_fork = around_two(post_fork, hooks.default_post_fork)
"""

pytestmark = pytest.mark.matrix


def live_through(server: Gunicorn) -> None:
    """A request, a reload, a killed worker and the end: everything is counted once."""
    server.get("/")
    scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 1)
    server.signal(signal.SIGHUP)
    scraped(server, lambda e: reasons(e) == {"reload": 1})
    server.wait_booted()
    server.kill_worker()
    scraped(server, lambda e: reasons(e) == {"reload": 1, "sigkill": 1})
    server.wait_booted()
    server.get("/")
    seen = scraped(server, lambda e: e.total("gunicorn_http_requests_total") == 2)
    assert seen.value("gunicorn_workers_spawned_total") == 3
    assert seen.value("gunicorn_master_reloads_total") == 1
    assert server.stop() == 0
    left = stored_by(server)
    assert reasons(left) == {"reload": 1, "sigkill": 1, "shutdown": 1}
    assert signals(left) == {"hup": 1, "term": 1}
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("name", EACH_ONE)
def test_each_one(gunicorn: START, name: str) -> None:
    """With one of the exporter's worker classes, each is harmless."""
    live_through(gunicorn(APP, conf=EACH_ONE[name]))


def test_all_together(gunicorn: START, worker_class: str) -> None:
    """All of them at once."""
    live_through(gunicorn(APP, worker_class=worker_class, conf=ALL))


def test_users_own(gunicorn: START, worker_class: str) -> None:
    """Every hook of the user's still runs, as often as without the exporter, which sees everything all the same."""
    server = gunicorn(APP, worker_class=worker_class, conf=USERS)
    live_through(server)
    assert_users_ran(server)


def test_users_own_that_call_ours(gunicorn: START) -> None:
    """The user's hooks call the exporter's, before and after their own lines."""
    server = gunicorn(APP, conf=USERS + CALLS_OURS)
    live_through(server)
    assert_users_ran(server)


def assert_users_ran(server: Gunicorn) -> None:
    ran = (server.home / "hooks").read_text().split()
    counts = {name: ran.count(name) for name in set(ran)}
    expected = {
        **dict.fromkeys(("on_starting", "when_ready", "on_reload", "on_exit"), 1),
        **dict.fromkeys(("pre_fork", "post_fork", "post_worker_init", "child_exit"), 3),
        **dict.fromkeys(("pre_request", "post_request"), 2),
        "worker_exit": 2,
    }
    assert {name: counts.get(name) for name in expected} == expected


@pytest.mark.parametrize("conf", [EACH_ONE["on_starting"] + "\n" + EACH_ONE["when_ready"], ALL, EACH_ONE["redis"]])
def test_plain_worker(gunicorn: START, conf: str) -> None:
    """With Gunicorn's own worker class: the endpoint and all that the master knows, and no traffic."""
    server = gunicorn(APP, worker_class=PLAIN, conf=conf, args=["--max-requests", "3"])
    for _ in range(2):
        server.get("/")
    assert not server.scrape_once().samples("gunicorn_http_requests_total")
    server.get("/")
    scraped(server, lambda e: reasons(e) == {"max_requests": 1})
    server.wait_booted()
    server.signal(signal.SIGHUP)
    scraped(server, lambda e: reasons(e) == {"max_requests": 1, "reload": 1})
    server.wait_booted()
    server.kill_worker(signum=signal.SIGTERM)
    seen = scraped(server, lambda e: reasons(e) == {"max_requests": 1, "reload": 1, "signal": 1})
    assert seen.value("gunicorn_info", worker_class=PLAIN) == 1
    assert not seen.samples("gunicorn_worker_restart_total")
    server.wait_booted()
    assert server.stop() == 0
    left = stored_by(server)
    assert reasons(left)["shutdown"] == 1
    assert signals(left) == {"hup": 1, "term": 1}
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("worker_class", ["sync", PLAIN])
def test_sidecar_hook(gunicorn: START, worker_class: str) -> None:
    """The hook for sidecars stores and serves nothing, wherever it is called from, after a reload too."""
    conf = """
        from gunicorn_prometheus_exporter import hooks
        def when_ready(server):
            hooks.redis_sidecar_when_ready(server)
    """
    server = gunicorn(APP, worker_class=worker_class, conf=conf, serves=False)
    server.signal(signal.SIGHUP)
    server.wait_logged("Worker exiting")
    server.wait_booted(serves=False)
    with pytest.raises(OSError, match="refused"):
        server.fetch()
    assert "Metrics at" not in server.log()
    assert signals(stored_by(server)) == {"hup": 1}


def test_bad_settings_stop_the_start(gunicorn: START) -> None:
    """A hook says what is wrong in one message, as the worker class does."""
    env = {"PROMETHEUS_METRICS_PORT": "many"}
    server = gunicorn(APP, worker_class=PLAIN, conf=EACH_ONE["on_starting"], env=env, wait=False)
    assert server.process.wait(10) == 1
    assert "PROMETHEUS_METRICS_PORT (environment): 'many' is not a whole number from 1 to 65535" in server.log()
    assert "Traceback" not in server.log()
