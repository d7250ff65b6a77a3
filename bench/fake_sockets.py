"""Sockets without a network: requests come from memory and responses are counted, so a run repeats itself exactly."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, Final

_ADDRESS: Final = ("127.0.0.1", 50_000)


def request_bytes(path: str) -> bytes:
    """A GET request as a browser's or a proxy's."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "User-Agent: bench",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
    )
    return "\r\n".join([*lines, "", ""]).encode()


class FakeClient:
    """A client's connection: what it will say is known, what it is told is only counted."""

    def __init__(self, fd: int, said: bytes) -> None:
        self.answers = 0
        self._fd = fd
        self._said = said

    def say(self, data: bytes) -> None:
        """``data`` is what the next `recv` gives."""
        self._said = data

    def recv(self, size: int) -> bytes:
        said, self._said = self._said, b""
        return said

    def sendall(self, data: bytes) -> None:
        self.answers += data.startswith(b"HTTP/1.1 200 ")

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def fileno(self) -> int:
        return self._fd

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, seconds: float | None) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


class FakeListener:
    """A listening socket that gives one connection after the other, with one request each.

    With ``pauses`` there is none in between, so that the worker waits for each, as it does unless it is overloaded;
    without, the next is always there. Calls ``over`` when ``requests`` have been accepted, and ``begins`` before the
    first that comes after ``warm_up`` more.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        warm_up: int,
        requests: int,
        pauses: bool,
        begins: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        self._requests: Iterator[bytes] = cycle([request_bytes(path) for path in paths])
        self._begins = begins
        self._over = over
        self._pauses = pauses
        self._warm_up = warm_up
        self._left = warm_up + requests
        self._pause = False
        self._measured_at = requests
        self._pair = socket.socketpair()
        self._client = FakeClient(self._pair[1].fileno(), b"")

    @property
    def answers(self) -> int:
        """How many requests were answered with status 200."""
        return self._client.answers

    def accept(self) -> tuple[FakeClient, Any]:
        if self._pause:
            self._pause = False
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if self._left == self._measured_at:
            self._begins()
        if self._left == 0:
            self._over()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._left -= 1
        self._pause = self._pauses
        self._client.say(next(self._requests))
        return self._client, _ADDRESS

    def getsockname(self) -> Any:
        return "127.0.0.1", 8000

    def fileno(self) -> int:
        return self._pair[0].fileno()

    def setblocking(self, flag: bool) -> None:
        pass
