"""Workers come and go by the hundred: totals stay exact, nothing goes back, and nothing grows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.load import Load, Witness
from tests.e2e.site import REQUESTS

APP = """
from prometheus_client import Counter

calls = Counter("app_calls", "Calls of the application.", ["kind"])

def app(environ, start_response):
    calls.labels("any").inc()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""


def files(directory: Path | None) -> set[str]:
    assert directory is not None
    return {path.name for path in directory.iterdir()}


def test_ten_thousand_requests_and_three_kills(gunicorn: Callable[..., Gunicorn]) -> None:
    """10,000 requests over 4 workers with --max-requests 100 and three SIGKILLs: every answered request is counted."""
    server = gunicorn(APP, workers=4, args=["--max-requests", "100"])
    with Witness(server) as witness:
        load = Load(server, 10_000, threads=4).start()
        for answered in (2000, 5000, 8000):
            wait_until(lambda answered=answered: load.answered >= answered, 90)  # type: ignore[misc]
            victim = wait_until(server.worker_pids)[0]
            server.kill_worker(victim)
        load.finish(90)
        server.wait_booted()
        seen = wait_until(lambda: _settled(server), 10)
    assert load.sent == 10_000
    assert load.answered >= 10_000 - 3
    assert load.answered <= seen.total(REQUESTS) <= load.sent
    assert seen.total("gunicorn_worker_requests_total") == seen.total(REQUESTS)
    # A kill may come between two of a request's numbers.
    assert abs(seen.total("gunicorn_http_request_duration_seconds_count") - seen.total(REQUESTS)) <= 3
    assert load.answered <= seen.total("app_calls_total") <= load.sent
    assert len(server.booted_pids()) >= 100
    assert witness.scrapes > 20
    _assert_bounded(server, witness, 4)


def _settled(server: Gunicorn) -> object:
    """An exposition of which two scrapes agree, so that the last killed worker's requests are in it."""
    before = server.scrape()
    time.sleep(0.3)
    after = server.scrape()
    return after if before.total(REQUESTS) == after.total(REQUESTS) else None


def _assert_bounded(server: Gunicorn, witness: Witness, workers: int) -> None:
    """As many slots as workers ever lived at the same time, and one of the master."""
    assert witness.segments <= workers + 1
    slots = {str(number) for number in range(1, workers + 1)}
    assert server.scrape().label_values("gunicorn_worker_requests_total", "worker_id") <= slots
    owners = {name.removesuffix(".lock").removeprefix("slot_") for name in files(server.directory) if "slot_" in name}
    assert owners <= slots | {"m1"}


@pytest.mark.timeout(300)
def test_max_requests(gunicorn: Callable[..., Gunicorn]) -> None:
    """Two hundred workers that each served two requests: exactly as many requests as were answered."""
    server = gunicorn(APP, workers=3, args=["--max-requests", "2"])
    with Witness(server) as witness:
        load = Load(server, 400, threads=3).start()
        load.finish(240)
        server.wait_booted()
        seen = server.scrape_until(lambda e: e.total(REQUESTS) >= 400)
    assert load.answered == load.sent == 400
    assert seen.value(REQUESTS, method="GET", status="200") == 400
    assert seen.value("app_calls_total", kind="any") == 400
    assert len(server.booted_pids()) >= 180
    _assert_bounded(server, witness, 3)


def test_graceful_ends_on_every_worker_class(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """The same with fewer, since gevent and eventlet take a second to notice that they are to end."""
    server = gunicorn(APP, worker_class=worker_class, workers=3, args=["--max-requests", "10"])
    with Witness(server) as witness:
        load = Load(server, 120, threads=3).start()
        load.finish(60)
        server.wait_booted()
        seen = server.scrape_until(lambda e: e.total(REQUESTS) >= load.answered)
    assert load.answered <= seen.total(REQUESTS) <= load.sent
    assert load.answered >= 110
    _assert_bounded(server, witness, 3)


@pytest.mark.matrix
def test_kills_on_every_worker_class(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """Workers killed at any moment take no answered request with them, and leave no gauge behind."""
    server = gunicorn(APP, worker_class=worker_class, workers=3)
    chance = random.Random(worker_class)
    with Witness(server) as witness:
        load = Load(server, 3000, threads=3).start()
        for _ in range(12):
            time.sleep(chance.uniform(0.05, 0.2))
            pids = server.worker_pids()
            if pids:
                server.kill_worker(chance.choice(pids))
        load.finish(60)
        server.wait_booted()
        seen = wait_until(lambda: _settled(server), 10)
    assert load.answered <= seen.total(REQUESTS) <= load.sent
    assert load.answered <= seen.total("app_calls_total") <= load.sent
    assert seen.total("gunicorn_worker_requests_in_progress") == 0
    assert len(seen.samples("gunicorn_worker_requests_in_progress")) == 3
    _assert_bounded(server, witness, 3)


@pytest.mark.matrix
def test_kill_in_the_middle_of_a_request(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """A request that its worker did not live to answer reached the application, so it is counted, at its endpoint."""
    app = Path(__file__).with_name("traffic_app.py")
    server = gunicorn(app, worker_class=worker_class, workers=1)
    with server.connect() as streaming:
        streaming.send_head("GET", "/stream/killed?parts=100&size=10&pause=0.3")
        assert streaming.read_exactly(15) == b"HTTP/1.1 200 OK"
        if worker_class in ("gevent", "eventlet"):
            with server.connect() as unanswered:
                unanswered.send_head("POST", "/read/killed", {"Content-Length": "100"})
                time.sleep(0.3)
                server.kill_worker()
        else:
            server.kill_worker()
        streaming.read_all()
    server.wait_booted()
    seen = server.scrape_until(lambda e: e.total(REQUESTS, endpoint="/stream/killed") == 1)
    assert seen.value(REQUESTS, endpoint="/stream/killed", status="200", method="GET") == 1
    if worker_class in ("gevent", "eventlet"):
        assert seen.total(REQUESTS, endpoint="/read/killed", method="POST") == 1
    assert seen.value("gunicorn_worker_requests_in_progress", worker_id="1") == 0


def test_files_and_series_do_not_grow(gunicorn: Callable[..., Gunicorn]) -> None:
    """Sixty kills of one worker leave the same files and series as the first."""
    server = gunicorn(APP, workers=1)
    server.get()
    server.kill_worker()
    server.wait_booted()
    series, before = set(server.scrape().counters()), files(server.directory)
    for _ in range(60):
        server.kill_worker()
        server.wait_booted()
        server.get()
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 61)
    assert seen.value("app_calls_total") == 61
    assert files(server.directory) == before
    assert set(seen.counters()) == series
