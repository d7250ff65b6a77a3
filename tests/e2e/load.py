"""Load, and a witness: many requests at once, and a scrape every 100 ms that nothing may go back between."""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType

from tests.e2e.client import Connection
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn


class Load:
    """``requests`` requests for ``path``, each on a connection of its own, by ``threads`` threads at a time.

    ``sent`` counts the requests that were written to a connection, ``answered`` those whose whole response came back.
    A request that fails is not sent again.
    """

    def __init__(self, server: Gunicorn, requests: int, *, threads: int = 4, path: str = "/") -> None:
        self.sent = 0
        self.answered = 0
        self._server = server
        self._path = path
        self._left = requests
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def start(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Send nothing more; requests on their way are still answered."""
        with self._lock:
            self._left = 0

    def finish(self, timeout: float) -> None:
        """Wait for the last answer; fails after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
            assert not thread.is_alive(), f"{self.answered} of {self.sent} requests answered within {timeout} s"

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._left == 0:
                    return
                self._left -= 1
            answered = self._request()
            with self._lock:
                self.answered += answered

    def _request(self) -> bool:
        try:
            with Connection(self._server.port, timeout=30) as connection:
                with self._lock:
                    self.sent += 1
                return connection.request("GET", self._path, headers={"Connection": "close"}).status == 200
        except (OSError, http.client.HTTPException):
            return False


class Witness:
    """Scrapes every ``interval`` seconds while it is entered; fails at the end if a counter ever went back or away.

    ``segments`` is the largest number of counter segments that there were at any time, ``scrapes`` how many it took.
    """

    def __init__(self, server: Gunicorn, interval: float = 0.1) -> None:
        self.scrapes = 0
        self.segments = 0
        self._server = server
        self._interval = interval
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(30)
        if error is None and self._failure is not None:
            raise self._failure

    def _watch(self) -> None:
        before: Exposition | None = None
        try:
            while not self._stop.wait(self._interval):
                now = self._server.scrape_once("")
                if before is not None:
                    now.assert_not_before(before)
                before = now
                self.scrapes += 1
                if self._server.directory is not None:
                    self.segments = max(self.segments, len(list(self._server.directory.glob("counter_*.db"))))
        except BaseException as failure:
            self._failure = failure
