"""Load on a server: as much as it takes by wrk, and a steady rate by a client that notices every delay."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.provision import tool

from .machine import pinned
from .medians import percentile

PERCENTILES: Final = (50, 90, 99)
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """Requests that were answered, how many a second, and the percentiles of their latency in seconds."""

    requests: int
    rate: float
    latency: dict[int, float]


def full_load(url: str, cores: Collection[int], *, seconds: float, connections: int) -> Load:
    """wrk with ``connections`` that each send the next request at the answer. Raises RuntimeError for failed ones."""
    wrk: Path = tool("wrk")
    command = [str(wrk), "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--latency", "--timeout", "10", url]
    with pinned(cores):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return parse_wrk(said)


def parse_wrk(said: str) -> Load:
    """What wrk printed. Raises RuntimeError if a request failed."""
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"requests failed:\n{said}")
    requests = re.search(r"(\d+) requests in", said)
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    if requests is None or rate is None:
        raise RuntimeError(f"wrk said something else:\n{said}")
    latency = {}
    for share in PERCENTILES:
        found = re.search(rf"{share}% +([\d.]+)(us|ms|s|m)\b", said)
        if found is None:
            raise RuntimeError(f"wrk gave no percentile {share}:\n{said}")
        latency[share] = float(found[1]) * _UNITS[found[2]]
    return Load(int(requests[1]), float(rate[1]), latency)


def steady_load(port: int, *, seconds: float, rate: float, path: str) -> Load:
    """One request after the other, ``rate`` a second, each on a connection of its own.

    The latency of one that had to wait for the one before counts from when it was due, so a stall of the server is
    seen by all that it delayed.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    latencies: list[float] = []
    begin = time.perf_counter()
    for number in range(max(round(seconds * rate), 1)):
        due = begin + number / rate
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
            # Waking up late is this machine's fault, not the server's.
            due = time.perf_counter()
        _request(port, request)
        latencies.append(time.perf_counter() - due)
    elapsed = time.perf_counter() - begin
    shares = {share: percentile(latencies, share / 100) for share in PERCENTILES}
    return Load(len(latencies), len(latencies) / elapsed, shares)


def _request(port: int, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        head = connection.recv(65536)
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"not answered with 200: {head[:100]!r}")
        while connection.recv(65536):
            pass
