"""Each signal to the master is counted once, in every version, and the last one can still be read afterwards."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.stored import scraped, signals, stored_by

APP = Path(__file__).with_name("lifecycle_app.py")
START = Callable[..., Gunicorn]

pytestmark = pytest.mark.matrix


def test_each_signal_once(gunicorn: START) -> None:
    """All that do not end the master, then the one that does; the derived family has the documented ones."""
    server = gunicorn(APP, workers=2)
    expected: dict[str, float] = {}
    for name in ("hup", "ttin", "ttou", "usr1", "winch", "usr1", "hup"):
        expected[name] = expected.get(name, 0) + 1
        server.signal(getattr(signal, f"SIG{name.upper()}"))
        scraped(server, lambda e: signals(e) == expected, 20)
    seen = server.scrape_once()
    assert seen.value("gunicorn_master_reloads_total") == 2
    for name in ("hup", "ttin", "ttou", "usr1"):
        assert seen.value("gunicorn_master_worker_restart_total", reason=name) == expected[name]
    assert not seen.samples("gunicorn_master_worker_restart_total", reason="winch")
    server.stop(signal.SIGINT)
    left = stored_by(server)
    assert signals(left) == {**expected, "int": 1}
    assert left.value("gunicorn_master_worker_restart_total", reason="int") == 1


@pytest.mark.parametrize("name", ["int", "quit", "term"])
def test_the_last_signal(gunicorn: START, name: str) -> None:
    """INT, QUIT and TERM are counted before the master exits."""
    server = gunicorn(APP)
    assert server.stop(getattr(signal, f"SIG{name.upper()}")) == 0
    assert signals(stored_by(server)) == {name: 1}


def test_signals_while_it_stops(gunicorn: START) -> None:
    """What comes after the last signal is counted too, whether or not this version of Gunicorn acts on it."""
    server = gunicorn(APP, args=["--graceful-timeout", "3"])
    thread = threading.Thread(target=lambda: server.get("/slow"), daemon=True)
    thread.start()
    wait_until(lambda: server.scrape_once().total("gunicorn_worker_requests_in_progress") == 1)
    server.signal(signal.SIGTERM)
    server.wait_logged("Handling signal: term")
    server.signal(signal.SIGUSR1)
    server.signal(signal.SIGQUIT)
    server.process.wait(10)
    assert signals(stored_by(server)) == {"term": 1, "usr1": 1, "quit": 1}


def test_deaths_are_counted(gunicorn: START, worker_class: str) -> None:
    """SIGCHLD under its one name: one for each death that is apart from the others."""
    server = gunicorn(APP, worker_class=worker_class)
    for count in range(1, 4):
        server.kill_worker()
        seen = scraped(server, lambda e, count=count: e.total("gunicorn_worker_exits_total") == count)
        assert seen.value("gunicorn_master_signals_total", signal="chld") == count
        server.wait_booted()
    assert not signals(seen)


def test_sidecar_sees_them_while_they_happen(gunicorn: START) -> None:
    """With a sidecar to serve, the master only stores."""
    server = gunicorn(APP, env={"SIDECAR_MODE": "true"}, serves=False)
    server.signal(signal.SIGTTIN)
    server.wait_booted(2, serves=False)
    left = stored_by(server)
    assert signals(left) == {"ttin": 1}
    assert left.value("gunicorn_workers_spawned_total") == 2
    assert left.value("gunicorn_info", storage="file") == 1
