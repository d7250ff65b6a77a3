"""What must not hurt: forks in the middle of a request, files that cannot grow, logs that count."""

from __future__ import annotations

import os
from collections.abc import Callable
from signal import SIGCONT, SIGSTOP

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.site import REQUESTS

EXITS = "gunicorn_worker_exits_total"
IN_PROGRESS = "gunicorn_worker_requests_in_progress"
ERRORS = "gunicorn_exporter_errors_total"

FORKING_APP = """
import multiprocessing, os, sys, time
from prometheus_client import Counter, Enum

JOBS = Counter("jobs", "Jobs.")
STAGE = Enum("stage", "Stage.", states=["early", "late"])

def job():
    JOBS.inc()
    STAGE.state("late")

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/terminate":
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        time.sleep(0.2)
        child.terminate()
        time.sleep(0.2)
        child.kill()
        child.join()
    if path == "/exit":
        if os.fork() == 0:
            sys.exit(0)
        time.sleep(5)
    if path == "/hang":
        with open("hanging", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(60)
    if path == "/daemon":
        multiprocessing.get_context("fork").Process(target=lambda: (job(), time.sleep(30)), daemon=True).start()
        time.sleep(0.5)
    if path == "/job":
        child = multiprocessing.get_context("fork").Process(target=job)
        child.start()
        child.join()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""

# A bridge gone wrong: it takes what the client sent for a route, and so fills the segments.
LEAKING_APP = """
import logging
from prometheus_client import Counter
from gunicorn_prometheus_exporter.note import note_of

LINES = Counter("log_lines", "Lines.", ["level"])
HITS = Counter("hits", "Hits.", ["path"])

class Counting(logging.Handler):
    def emit(self, record):
        LINES.labels(record.levelname + str(LINES._metrics.__len__())).inc()

logging.getLogger().addHandler(Counting())

def app(environ, start_response):
    path = environ["PATH_INFO"]
    note_of(environ).endpoint(path)
    if path.startswith("/metric"):
        HITS.labels(path + "x" * 2000).inc()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
# The test's interpreter may be where only root can read, so everything is imported by then.
WITHOUT_ROOT = """
import multiprocessing.popen_fork, os
os.chmod(".", 0o777)
os.close(os.open("booted", os.O_CREAT, 0o666))
os.chmod("booted", 0o666)
"""
SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""


def test_files_that_cannot_grow(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """Requests for which there is no room are served and end; logging that counts what it logs does not hang."""
    small = ["--worker-connections", "100"]
    server = gunicorn(LEAKING_APP, worker_class=worker_class, args=small, conf=SMALL_FILES.format(limit=1 << 17))
    paths = [f"/{'e' * 150}{number}" for number in range(40)] + [f"/metric{number}" for number in range(70)]
    for path in paths:
        assert server.get(path).status == 200
    seen = server.scrape_until(lambda e: e.total(IN_PROGRESS) == 0 and e.value("gunicorn_workers", state="idle") == 1)
    assert seen.value(ERRORS, component="recorder") >= 1
    assert seen.value(ERRORS, component="app_metrics") >= 1
    assert seen.total("log_lines_total") >= 1
    server.kill_worker()
    server.wait_booted()
    server.scrape_until(lambda e: e.value("gunicorn_workers", state="idle") == 1)


def test_files_that_cannot_be_made(gunicorn: Callable[..., Gunicorn]) -> None:
    """That is said once, when Gunicorn starts, and without a traceback."""
    server = gunicorn(FORKING_APP, conf=SMALL_FILES.format(limit=4096), wait=False)
    assert server.process.wait(20) == 1
    assert "PROMETHEUS_MULTIPROC_DIR" in server.log()
    assert "Traceback" not in server.log()


def test_a_master_with_green_threads(gunicorn: Callable[..., Gunicorn]) -> None:
    """A preloaded application may patch the master; it is scraped all the same, and signals are handled."""
    patched = "from gevent import monkey\nmonkey.patch_all()\n" + FORKING_APP
    server = gunicorn(patched, worker_class="gevent", args=["--preload"])
    assert server.get("/").status == 200
    server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    server.kill_worker()
    server.wait_booted()
    server.scrape_until(lambda e: e.total(EXITS) == 1)
    assert server.stop() == 0


def test_a_terminated_child_is_not_the_worker(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """A process that the application forks inherits Gunicorn's signal handlers, but says nothing of its parent."""
    server = gunicorn(FORKING_APP, worker_class=worker_class, args=["--max-requests", "4"])
    assert server.get("/terminate").status == 200
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    seen = server.scrape_until(lambda e: e.value("gunicorn_workers", state="idle") == 1)
    assert seen.value("gunicorn_workers", state="draining") == 0
    for _ in range(3):
        assert server.get("/").status == 200
    seen = server.scrape_until(lambda e: e.total(EXITS) == 1)
    assert seen.value(EXITS, reason="max_requests") == 1


def test_a_child_that_goes_on_in_gunicorn(gunicorn: Callable[..., Gunicorn]) -> None:
    """A child that exits inside a request leaves through Gunicorn's code, but ends no request of its parent's."""
    server = gunicorn(FORKING_APP)
    with server.connect() as connection:
        connection.send_head("GET", "/exit")
        wait_until(lambda: "SystemExit" in server.log())
        server.scrape_until(lambda e: e.total(IN_PROGRESS) == 1)
        assert server.scrape().total(REQUESTS) == 0


def test_metrics_of_a_child(gunicorn: Callable[..., Gunicorn]) -> None:
    """What a process changes that the application forked is seen, an Enum too."""
    server = gunicorn(FORKING_APP)
    server.get("/job")
    seen = server.scrape_until(lambda e: e.total("jobs_total") == 1)
    assert seen.value("stage", stage="late") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_metrics_of_a_child_that_is_no_root(gunicorn: Callable[..., Gunicorn]) -> None:
    """With Gunicorn's ``user``, the master's files are those of that user, its locks too."""
    server = gunicorn(FORKING_APP, conf="user = group = 65534\npreload_app = True\n" + WITHOUT_ROOT)
    server.get("/job")
    server.scrape_until(lambda e: e.total("jobs_total") == 1)


def test_a_slot_that_a_child_takes(gunicorn: Callable[..., Gunicorn]) -> None:
    """Whoever takes a dead worker's slot before the master is there counts what the worker left unfinished."""
    server = gunicorn(FORKING_APP, workers=2)
    with server.connect() as connection:
        connection.send_head("GET", "/hang")
        hanging = int(wait_until(lambda: (server.home / "hanging").exists() and (server.home / "hanging").read_text()))
        server.signal(SIGSTOP)
        try:
            server.kill_worker(hanging)
            server.get("/daemon")
        finally:
            server.signal(SIGCONT)
    seen = server.scrape_until(lambda e: e.total(EXITS) == 1 and e.total("jobs_total") == 1)
    assert seen.value(REQUESTS, method="GET", status="500") == 1
