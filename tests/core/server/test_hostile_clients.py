"""Clients that are slow, many or mad, and the scrape that must get through."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.endpoint import MetricsEndpoint
from gunicorn_prometheus_exporter.server.http import Request, Response
from gunicorn_prometheus_exporter.server.passwords import Passwords
from gunicorn_prometheus_exporter.server.policy import matches_bcrypt
from gunicorn_prometheus_exporter.server.security import Security
from gunicorn_prometheus_exporter.server.tls import TlsConfig
from gunicorn_prometheus_exporter.settings import Settings
from tests.core.server.authority import Authority

BIG = os.urandom(1 << 20) * 8


def respond(request: Request) -> Response:
    return Response(200, (), BIG if request.path == "/big" else b"up 1\n")


@pytest.fixture
def crowd() -> Iterator[contextlib.ExitStack]:
    """Holds the clients of a test."""
    with contextlib.ExitStack() as stack:
        yield stack


def is_closed(client: socket.socket, within: float) -> bool:
    client.settimeout(within)
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


GARBAGE = (
    b"\x16\x03\x01",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100,
    b"\x16\x03\x01\x00\x05hello",
    b"\x15\x03\x01\x00\x02\x02\x28" * 1000,
    b"\x00" * 70000,
    b"GET /" + b"a" * 70000,
    b"\r\n" * 9000,
    b"GET\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n" * 300,
)


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_scrape_gets_through_a_hostile_crowd(
    serve: Callable[..., Any], crowd: contextlib.ExitStack, over_tls: bool, tmp_path: Path
) -> None:
    """300 half-open connections, 100 that drip, and others that send garbage, half a handshake or a pipeline without
    end cost a scrape less than a second; with TLS, also those that have shaken hands and then do the same."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    context = TlsConfig(cert_file=certificate, key_file=key).context() if over_tls else None
    served = serve(respond, tls=lambda: context)
    served.client_tls = authority.client() if over_tls else None
    stopping = threading.Event()
    head = b"GET /metrics HTTP/1.1\r\n"

    def enter(data: bytes, *, shakes_hands: bool) -> socket.socket:
        if not (over_tls and shakes_hands):
            return crowd.enter_context(served.connect(data))
        client = authority.client().wrap_socket(served.connect(), server_hostname="localhost")
        client.sendall(data)
        return crowd.enter_context(client)

    def drip() -> None:
        drips: list[socket.socket] = []
        while not stopping.wait(0.05):
            for number in range(100):
                with contextlib.suppress(OSError):
                    if number < len(drips):
                        drips[number].sendall(b"A: b\r\n")
                    else:
                        drips.append(enter(head, shakes_hands=number % 4 == 0))
                    continue
                with contextlib.suppress(OSError):
                    drips[number:] = [enter(head, shakes_hands=False)]

    def garbage() -> None:
        while not stopping.wait(0.01):
            for data in GARBAGE:
                with contextlib.suppress(OSError):
                    served.connect(data).close()

    threads = [threading.Thread(target=target) for target in (drip, garbage)]
    for thread in threads:
        thread.start()
    try:
        for number in range(300):
            with contextlib.suppress(OSError):
                enter(b"", shakes_hands=number % 10 == 0)
        slowest = served.slow_scrape(20)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()

    assert slowest < 1
    assert len(served.server._connections) <= 128
    assert served.failures == []


def test_scrapes_in_a_flood_of_scrapes(serve: Callable[..., Any], crowd: contextlib.ExitStack) -> None:
    """100 clients that ask for one expensive page after the other share each, and a new one waits for little."""
    security = Security(Settings(), Passwords(matches_bcrypt), print)
    made = 0

    def render(*, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        nonlocal made
        made += 1
        time.sleep(0.05)
        return f"made {made}\n".encode()

    served = serve(MetricsEndpoint(render, lambda: True, security))
    for _ in range(100):
        crowd.enter_context(served.connect(b"GET /metrics HTTP/1.1\r\n\r\n" * 500))

    assert served.slow_scrape(10) < 1
    before = made
    assert int(served.scrape()[1].split()[1]) > before


def test_scrapes_that_nobody_shares(serve: Callable[..., Any], crowd: contextlib.ExitStack) -> None:
    """100 clients that each ask for one page of their own after the other come after who has had none yet."""

    def answer(request: Request) -> Response:
        if request.query:
            time.sleep(0.02)
        return Response(200)

    served = serve(answer)
    for number in range(100):
        requests = b"".join(b"GET /metrics?name[]=%d.%d HTTP/1.1\r\n\r\n" % (number, each) for each in range(400))
        crowd.enter_context(served.connect(requests))
    time.sleep(3)

    assert served.slow_scrape(10) < 1


def test_slow_readers_do_not_block(serve: Callable[..., Any], crowd: contextlib.ExitStack) -> None:
    """A page of several MB to somebody who does not read it is nobody else's matter, and neither are 30 of them."""
    served = serve(respond, max_connections=20)
    for _ in range(30):
        crowd.enter_context(served.connect(b"GET /big HTTP/1.1\r\n\r\n", receive_buffer=4096))

    assert served.slow_scrape(5) < 1
    assert len(served.server._connections) <= 20


def test_a_big_page_arrives_whole(serve: Callable[..., Any], read_response: Any) -> None:
    """A reader that is slow, yet in time, gets every byte."""
    with serve(respond).connect(b"GET /big HTTP/1.1\r\n\r\n", receive_buffer=65536) as client:
        time.sleep(0.2)
        _, body = read_response(client)
        assert body == BIG


def test_a_reader_that_is_too_slow_is_dropped(serve: Callable[..., Any]) -> None:
    """A response has its deadline as a whole, however steadily it trickles."""
    served = serve(respond, write_timeout=0.5)
    with served.connect(b"GET /big HTTP/1.1\r\n\r\n", receive_buffer=4096) as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while client.recv(1000):
                time.sleep(0.01)
        assert time.monotonic() - began < 5
    assert not served.server._connections


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n", b"\r\n"])
def test_a_head_has_a_deadline(serve: Callable[..., Any], sent: bytes) -> None:
    """From the connect on, and not from the last byte."""
    with serve(respond, head_timeout=0.4).connect(sent) as client:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(12):
                client.sendall(b"A" if sent else b"")
                time.sleep(0.05)
        assert is_closed(client, 2)
        assert time.monotonic() - began < 2


def test_an_idle_connection_has_another_deadline(serve: Callable[..., Any], read_response: Any) -> None:
    """Between two scrapes a client may take its time, but once it began to ask it must finish."""
    served = serve(respond, head_timeout=0.3, idle_timeout=3.0)
    with served.connect(b"GET /metrics HTTP/1.1\r\n\r\n") as client, served.connect() as other:
        other.sendall(b"GET /metrics HTTP/1.1\r\n\r\nGET /metr")
        read_response(client)
        read_response(other)
        assert is_closed(other, 0.8)
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        read_response(client)
        assert not is_closed(client, 0.5)
        client.sendall(b"GET /metr")
        assert is_closed(client, 0.8)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"\x16\x03\x01", 400), (b"GET /" + b"a" * 300_000, 431), (b"GET / HTTP/3.0\r\n\r\n", 505)],
)
def test_garbage_is_answered_and_closed(
    serve: Callable[..., Any], read_response: Any, sent: bytes, status: int
) -> None:
    """The client reads why, even if it sent more than was read."""
    with serve(respond).connect(sent) as client:
        response, body = read_response(client)
        assert response.status == status
        assert body.startswith(str(status).encode())
        assert is_closed(client, 2)


def test_a_client_that_never_closes_its_side_is_dropped(serve: Callable[..., Any], read_response: Any) -> None:
    """After the last response the wait for the client's end is short."""
    served = serve(respond)
    with served.connect(b"GET /metrics HTTP/1.0\r\n\r\n") as client:
        read_response(client)
        time.sleep(1.3)
        assert not served.server._connections


def test_the_oldest_that_asks_nothing_makes_room(serve: Callable[..., Any], crowd: contextlib.ExitStack) -> None:
    """At the limit, whoever waited longest without a request goes; one that is being answered stays."""
    served = serve(respond, max_connections=3)
    reading = crowd.enter_context(served.connect(b"GET /big HTTP/1.1\r\n\r\n", receive_buffer=65536))
    reading.recv(1)
    older, newer = (crowd.enter_context(served.connect(b"GET")) for _ in range(2))
    time.sleep(0.1)

    assert served.seconds_to_scrape() < 1

    assert is_closed(older, 1)
    assert not is_closed(newer, 0.2)
    assert len(reading.recv(1 << 16, socket.MSG_WAITALL)) == 1 << 16


def test_clients_that_reset_do_no_harm(serve: Callable[..., Any]) -> None:
    """A reset at any moment ends one connection and nothing else."""
    served = serve(respond)
    for data in (b"", b"GET /", b"GET /big HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\x00") * 10:
        client = served.connect(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.close()

    assert served.seconds_to_scrape() < 1
    assert served.failures == []
