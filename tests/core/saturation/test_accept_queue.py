"""The kernel's view of listening sockets: parsing on literals, and the real thing."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.master.accept_queue import (
    Backlog,
    TcpListener,
    backlog_of,
    parse_inet_answers,
    parse_unix_answer,
    tcp_listeners,
)
from gunicorn_prometheus_exporter.master.listeners import sum_at

# What a Linux 6.18 answered for a Unix socket with two connections waiting and `listen(7)`.
UNIX_ANSWER = bytes.fromhex(
    "340000001400000001000000cd70000001010a005d4a010001000000000000000c00040002000000070000000500060000000000"
)
DONE = bytes.fromhex("1400000003000200020000000000000000000000")
ERROR = bytes.fromhex("24000000020000000100000000000000feffffff1400000014000103010000000000000000000000")

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def _inet_message(family: int, host: str, port: int, waiting: int, limit: int) -> bytes:
    address = socket.inet_pton(family, host).ljust(16, b"\0")
    body = bytes([family, 10, 0, 0]) + port.to_bytes(2, "big") + bytes(2) + address + bytes(16 + 4 + 8 + 4)
    body += waiting.to_bytes(4, sys.byteorder) + limit.to_bytes(4, sys.byteorder) + bytes(8)
    header = (16 + len(body)).to_bytes(4, sys.byteorder) + (20).to_bytes(2, sys.byteorder) + bytes(10)
    return header + body


def test_unix_answer() -> None:
    """Other attributes, an error and an answer without the lengths are told apart from one with them."""
    assert parse_unix_answer(UNIX_ANSWER) == Backlog(2, 7)
    assert parse_unix_answer(ERROR) is None
    assert parse_unix_answer((32).to_bytes(4, sys.byteorder) + UNIX_ANSWER[4:32]) is None


def test_inet_answers() -> None:
    """Several messages in one batch, of both families; the last batch says so, and so does an error."""
    first = _inet_message(socket.AF_INET, "127.0.0.1", 8000, 3, 5)
    second = _inet_message(socket.AF_INET6, "::1", 8001, 0, 2048)
    expected = [TcpListener("127.0.0.1", 8000, Backlog(3, 5)), TcpListener("::1", 8001, Backlog(0, 2048))]
    assert parse_inet_answers(first + second) == (expected, False)
    assert parse_inet_answers(first + DONE) == (expected[:1], True)
    assert parse_inet_answers(ERROR) == ([], True)


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([("127.0.0.1", 8000)], {"http://127.0.0.1:8000": Backlog(3, 20)}),
        ([("localhost", 8000)], {"http://127.0.0.1:8000": Backlog(3, 20)}),
        ([("0.0.0.0", 8000)], {}),
        (
            [("::1", 8001), ("127.0.0.1", 8000)],
            {"http://127.0.0.1:8000": Backlog(3, 20), "http://[::1]:8001": Backlog(4, 5)},
        ),
    ],
)
def test_sums_over_the_workers_sockets(addresses: list[tuple[str, int]], expected: dict[str, Backlog]) -> None:
    """Sockets of one address add up; those of others do not count."""
    found = [
        TcpListener("127.0.0.1", 8000, Backlog(1, 10)),
        TcpListener("127.0.0.1", 8000, Backlog(2, 10)),
        TcpListener("127.0.0.1", 9000, Backlog(8, 10)),
        TcpListener("::1", 8001, Backlog(4, 5)),
    ]
    assert sum_at(addresses, found, "http") == expected


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as sockets:
        yield sockets


@linux
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_real_listener(family: socket.AddressFamily, stack: ExitStack, tmp_path: Path) -> None:
    """Connections that nobody accepts are counted, and gone once they are accepted."""
    listener = stack.enter_context(socket.socket(family))
    address = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}.get(family, str(tmp_path / "socket"))
    listener.bind(address)
    listener.listen(5)
    assert backlog_of(listener) == Backlog(0, 5)
    for _ in range(3):
        stack.enter_context(socket.socket(family)).connect(listener.getsockname())
    assert backlog_of(listener) == Backlog(3, 5)
    if family != socket.AF_UNIX:
        host, port = listener.getsockname()[:2]
        assert TcpListener(host, port, Backlog(3, 5)) in list(tcp_listeners())
    stack.enter_context(listener.accept()[0])
    assert backlog_of(listener) == Backlog(2, 5)
