from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.http import Request, Response
from gunicorn_prometheus_exporter.server.listener import open_listener
from gunicorn_prometheus_exporter.server.loop import MetricsServer

CORE = Path(__file__).parents[3] / "core"


class Served:
    """A running server with what it reported, and a client for it."""

    def __init__(self, respond: Callable[[Request], Response], **options: Any) -> None:
        self.failures: list[tuple[str, Exception]] = []
        listener = open_listener("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.server = MetricsServer(
            listener,
            respond,
            gate=ForkGate(),
            on_failure=lambda component, error: self.failures.append((component, error)),
            **options,
        )
        self.client_tls: ssl.SSLContext | None = None
        """What scrapes speak TLS with."""
        self.server.start()

    def connect(self, data: bytes = b"", *, timeout: float = 5.0, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(timeout)
        client.connect(("127.0.0.1", self.port))
        client.sendall(data)
        return client

    def scrape(
        self, path: str = "/metrics", method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            if self.client_tls is None
            else http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.client_tls)
        )
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def seconds_to_scrape(self) -> float:
        """How long a scrape takes that must succeed."""
        began = time.monotonic()
        response, _ = self.scrape()
        assert response.status == 200
        return time.monotonic() - began

    def slow_scrape(self, number: int) -> float:
        """The slowest of so many scrapes, in seconds, but one: that one a busy machine may have made late."""
        return sorted(self.seconds_to_scrape() for _ in range(number))[-2]


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(respond: Callable[[Request], Response], **options: Any) -> Served:
        running.append(Served(respond, **options))
        return running[-1]

    yield start
    for served in running:
        served.server.stop()


@pytest.fixture
def read_response() -> Callable[..., tuple[http.client.HTTPResponse, bytes]]:
    def read(client: socket.socket, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
        response = http.client.HTTPResponse(_NoReadAhead(client), method=method)  # type: ignore[arg-type]
        response.begin()
        return response, response.read()

    return read


class _NoReadAhead:
    """A socket whose file does not read beyond what is asked for, so that the next response stays in the socket."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def makefile(self, _mode: str) -> Any:
        return _OneByte(self._client)


class _OneByte:
    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def readline(self, _limit: int = -1) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._client.recv(1)
            if not byte:
                break
            line += byte
        return line

    def read(self, size: int = -1) -> bytes:
        data = b""
        while size < 0 or len(data) < size:
            chunk = self._client.recv(size - len(data) if size >= 0 else 65536)
            if not chunk:
                break
            data += chunk
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def run_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python program of a few lines in a process of its own, which ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CORE)},
            **options,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()
