"""The note in a real worker: whoever speaks, whenever, and from whichever thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.harness import Gunicorn, wait_until

REQUESTS = "gunicorn_http_requests_total"
EXCEPTIONS = "gunicorn_http_exceptions_total"
ABORTED = "gunicorn_http_aborted_responses_total"
Start = Callable[..., Gunicorn]

APP = """
    import os
    import threading
    import time
    from gunicorn_prometheus_exporter.note import note_of

    class Closing:
        def __init__(self, note):
            self.note = note

        def __iter__(self):
            return iter([b"x"])

        def close(self):
            self.note.endpoint("/closed")
            self.note.handled(ValueError(), "test")

    def speak_late(note):
        while not os.path.exists("speak"):
            time.sleep(0.01)
        note.endpoint("/too-late")
        note.handled(ValueError(), "test")
        open("spoken", "w").close()

    def app(environ, start_response):
        note = note_of(environ)
        path = environ["PATH_INFO"]
        start_response("200 OK", [])
        if path == "/close":
            return Closing(note)
        if path == "/late":
            note.endpoint("/late")
            threading.Thread(target=speak_late, args=[note], daemon=True).start()
            return [b"x"]
        if path == "/hang":
            note.endpoint("/hang")
            open("hanging", "w").close()
            time.sleep(60)
        if path == "/left":
            note.endpoint("/left")
            note.handled(type("ClientDisconnected", (Exception,), {})(), "test")
            return [b"x"]
        if path == "/stream":
            return stream(note)
        note.endpoint(f"/slow{path}")
        time.sleep(0.02)
        note.handled(type(f"E{path[1:]}", (Exception,), {})(), "test")
        return [b"x"]

    def stream(note):
        yield b"begun"
        note.endpoint("/streamed")
        note.handled(KeyError(), "test")
        yield b"done"
"""


def test_concurrent_requests_do_not_mix(gunicorn: Start, worker_class: str) -> None:
    """Each request has its own note, also among threads and greenlets."""
    server = gunicorn(APP, worker_class=worker_class, args=["--threads", "4"])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: server.get(f"/{number % 4}"), range(40)))
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 40)
    for number in range(4):
        assert seen.value(REQUESTS, endpoint=f"/slow/{number}") == 10
        assert seen.value(EXCEPTIONS, endpoint=f"/slow/{number}", error_type=f"E{number}", handled="true") == 10


def test_a_streaming_body_may_speak(gunicorn: Start, worker_class: str) -> None:
    """The note is read when the last byte is out."""
    server = gunicorn(APP, worker_class=worker_class)
    assert server.get("/stream").body == b"begundone"
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    assert seen.value(REQUESTS, endpoint="/streamed") == 1
    assert seen.value(EXCEPTIONS, endpoint="/streamed", error_type="KeyError") == 1


def test_a_body_may_speak_when_it_is_closed(gunicorn: Start, worker_class: str) -> None:
    """Gunicorn closes it before the request is over."""
    server = gunicorn(APP, worker_class=worker_class)
    assert server.get("/close").body == b"x"
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    assert seen.value(REQUESTS, endpoint="/closed") == 1
    assert seen.value(EXCEPTIONS, endpoint="/closed", error_type="ValueError") == 1


def test_what_is_said_too_late_touches_no_other_request(gunicorn: Start) -> None:
    """A thread speaks on when its request is counted, and another one is written down in its place."""
    server = gunicorn(APP, worker_class="gthread", args=["--threads", "2"])
    server.get("/late")
    server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    with server.connect() as connection:
        connection.send_head("GET", "/hang")
        wait_until((server.home / "hanging").exists)
        (server.home / "speak").touch()
        wait_until((server.home / "spoken").exists)
        server.kill_worker()
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 2)
    assert seen.value(REQUESTS, endpoint="/late") == 1
    assert seen.value(REQUESTS, endpoint="/hang") == 1
    assert not seen.samples(EXCEPTIONS)


def test_a_frameworks_name_for_a_client_that_left(gunicorn: Start) -> None:
    """It is an aborted response, even if the answer could still be written."""
    server = gunicorn(APP, worker_class="sync")
    server.get("/left")
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    assert seen.value(ABORTED, endpoint="/left") == 1
    assert not seen.samples(EXCEPTIONS)
