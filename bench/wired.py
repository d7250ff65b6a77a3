"""Drives a worker that waits in an event loop of its own: over a real socket, by a client in another process.

``python -m bench.wired PORT PID WARM_UP REQUESTS PATH`` is that client: it asks one request after the other on one
connection, prints the CPU seconds that the process PID took for the timed ones, and ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from gunicorn.sock import create_sockets

from .fake_sockets import request_bytes

_PATIENCE_SECONDS = 120.0


def drive(worker_class: Any, application: Any, paths: list[str], warm_up: int, requests: int) -> tuple[int, float]:
    """Serve that many requests; returns how many were answered with status 200, and CPU seconds of the timed ones."""
    cfg = application.cfg
    cfg.set("bind", "127.0.0.1:0")
    log = cfg.logger_class(cfg)
    check_config = getattr(worker_class, "check_config", None)
    if check_config is not None:
        check_config(cfg, log)
    listeners = create_sockets(cfg, log)

    class Driven(worker_class):
        def init_signals(self) -> None:
            super().init_signals()
            if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
                # uvicorn ends on the signal, and then sends it to itself again for whoever handled it before.
                signal.signal(signal.SIGTERM, _heard)

    worker = Driven(1, os.getppid(), listeners, application, cfg.timeout, cfg, log)
    worker.pid = os.getpid()
    port = listeners[0].getsockname()[1]
    arguments = [str(port), str(os.getpid()), str(warm_up), str(requests), paths[0]]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.wired", *arguments], stdout=subprocess.PIPE, text=True
    ) as client:
        with contextlib.suppress(SystemExit):
            worker.init_process()
        said, _ = client.communicate()
    answers, seconds = said.split()
    return int(answers), float(seconds)


def _heard(*_: object) -> None:
    pass


def _ask(port: int, pid: int, warm_up: int, requests: int, path: str) -> None:
    answers = 0
    with _connected(port) as connection:
        request = request_bytes(path)
        began = 0.0
        for number in range(warm_up + requests):
            if number == warm_up:
                began = _cpu_seconds(pid)
            connection.sendall(request)
            answers += _is_answered(connection)
        seconds = _cpu_seconds(pid) - began
    print(answers, seconds, flush=True)
    os.kill(pid, signal.SIGTERM)


def _connected(port: int) -> socket.socket:
    """A connection, once the worker serves: the socket listens long before."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _is_answered(connection: socket.socket) -> bool:
    """Read one response with a length; whether its status is 200."""
    head, _, body = b"", b"", b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            return False
        head += received
    head, _, body = head.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return b" 200 " in head.split(b"\r\n")[0]


def _cpu_seconds(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    _ask(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
