"""The clients of the soak: they know exactly what they sent, what came back and whom they left."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Final, NamedTuple

ABORTED_SHARE: Final = 0.01
_KINDS: Final = ("bytes", "missing", "fail", "upload")
_WEIGHTS: Final = (85, 5, 2, 8)
_LARGEST: Final = 40_000


class Series(NamedTuple):
    """What a request is counted as."""

    method: str
    endpoint: str
    status: str


class Clients:
    """``threads`` clients that together send ``rate`` requests a second while entered, each on a new connection.

    ``answered`` are the whole responses, ``aborted`` those left in the middle, ``received`` and ``sent`` the bytes of
    bodies, of whole responses only; ``unanswered`` are errors, after which nobody can say what the server counted.
    """

    def __init__(self, port: int, *, rate: float, threads: int = 4) -> None:
        self.answered: Counter[Series] = Counter()
        self.received: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.aborted = 0
        self.unanswered: list[str] = []
        self._port = port
        self._pause = threads / rate
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> int:
        """How many were sent and are over, however they ended."""
        with self._lock:
            return self.answered.total() + self.aborted + len(self.unanswered)

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        due = time.monotonic()
        while not self._over.is_set():
            try:
                if chance.random() < ABORTED_SHARE:
                    self._leave()
                else:
                    self._ask(chance)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.unanswered.append(repr(error))
            due = max(due + self._pause, time.monotonic() - 1)
            self._over.wait(max(due - time.monotonic(), 0))

    def _ask(self, chance: random.Random) -> None:
        kind = chance.choices(_KINDS, _WEIGHTS)[0]
        size = chance.randrange(_LARGEST)
        method, body = ("POST", b"y" * size) if kind == "upload" else ("GET", b"")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, f"/{kind}/{size}", body=body or None, headers={"Connection": "close"})
            response = connection.getresponse()
            received = len(response.read())
        finally:
            connection.close()
        with self._lock:
            self.answered[Series(method, f"/{kind}/<number>", str(response.status))] += 1
            self.received[f"/{kind}/<number>"] += received
            self.sent[f"/{kind}/<number>"] += len(body)

    def _leave(self) -> None:
        """Read the beginning of an endless response, and reset the connection."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(b"GET /stream/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not connection.recv(1024).startswith(b"HTTP/1.1 200 "):
                raise http.client.HTTPException("no response to leave")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._lock:
            self.aborted += 1
