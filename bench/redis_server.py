"""A Redis for as long as it is needed."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from scripts.provision import tool

from .servers import free_port
from .variants import Variant

_START_SECONDS = 10.0


@contextmanager
def redis_server() -> Iterator[int]:
    """The port of a Redis that lives as long as the context."""
    port = free_port()
    command = [
        str(tool("redis-server")),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


@contextmanager
def with_redis(variants: Sequence[Variant]) -> Iterator[list[Variant]]:
    """``variants``, those with ``redis`` set up to publish to a Redis that lives as long as the context."""
    with redis_server() as port:
        redis = {"REDIS_ENABLED": "true", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
        yield [replace(v, environ={**v.environ, **redis}) if v.redis else v for v in variants]


def _wait(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
