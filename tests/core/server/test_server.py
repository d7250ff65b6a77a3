"""The server over real sockets, with clients that behave."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.http import Request, Response
from gunicorn_prometheus_exporter.server.listener import open_listener
from gunicorn_prometheus_exporter.server.loop import THREAD_NAME, MetricsServer

Reader = Callable[..., tuple[Any, bytes]]


def echo(request: Request) -> Response:
    return Response(200, (("Content-Type", "text/plain"),), f"{request.method} {request.path}".encode())


def fail(_request: Request) -> Response:
    raise RuntimeError("secret")


def open_descriptors() -> set[str]:
    """Those of this process, but not the one that the list itself was read by."""
    return {number for number in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{number}")}


def test_a_request_is_answered(serve: Callable[..., Any]) -> None:
    """What ``respond`` returns is what the client gets."""
    response, body = serve(echo).scrape("/x")

    assert (response.status, response.headers["Content-Type"], body) == (200, "text/plain", b"GET /x")


def test_a_connection_is_kept(serve: Callable[..., Any], read_response: Reader) -> None:
    """One connection serves scrape after scrape."""
    with serve(echo).connect() as client:
        for number in range(3):
            client.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
            response, body = read_response(client)
            assert response.headers["Connection"] == "keep-alive"
            assert body == b"GET /%d" % number


@pytest.mark.parametrize("half_close", [False, True])
def test_pipelined_requests_are_answered_in_order(
    serve: Callable[..., Any], read_response: Reader, half_close: bool
) -> None:
    """All of them, when they come in one piece, and when the client closes its side after the last."""
    requests = b"".join(b"%s /%d HTTP/1.1\r\n\r\n" % (b"HEAD" if n % 2 else b"GET", n) for n in range(50))
    with serve(echo).connect(requests) as client:
        if half_close:
            client.shutdown(socket.SHUT_WR)
        for number in range(50):
            _, body = read_response(client, "HEAD" if number % 2 else "GET")
            assert body == (b"" if number % 2 else b"GET /%d" % number)
        if half_close:
            assert client.recv(1) == b""


def test_a_head_in_small_pieces(serve: Callable[..., Any], read_response: Reader) -> None:
    """Where TCP cuts does not matter."""
    with serve(echo).connect() as client:
        for byte in b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.001)
        assert read_response(client)[1] == b"GET /x"


@pytest.mark.parametrize("head", [b"GET /x HTTP/1.0\r\n\r\n", b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n"])
def test_a_connection_is_closed_when_the_client_wants(
    serve: Callable[..., Any], read_response: Reader, head: bytes
) -> None:
    """... and says so."""
    with serve(echo).connect(head) as client:
        response, _ = read_response(client)
        assert response.headers["Connection"] == "close"
        assert client.recv(1) == b""


@pytest.mark.parametrize("header", [b"Content-Length: 300000", b"Transfer-Encoding: chunked"])
def test_a_request_with_a_body_is_answered_and_closed(
    serve: Callable[..., Any], read_response: Reader, header: bytes
) -> None:
    """The body is no request, and a client that sends all of it before it reads still gets the answer."""
    with serve(echo).connect(
        b"POST /x HTTP/1.1\r\n" + header + b"\r\n\r\n" + b"GET /y HTTP/1.1\r\n\r\n" * 15000
    ) as client:
        for _ in range(3):
            time.sleep(0.05)
            client.sendall(b"more")
        response, body = read_response(client)
        assert (response.headers["Connection"], body) == ("close", b"POST /x")
        assert client.recv(1) == b""


def test_an_exception_becomes_a_500(serve: Callable[..., Any], read_response: Reader) -> None:
    """The client learns nothing of it, ``on_failure`` does, and the next request on the connection is served."""

    def respond(request: Request) -> Response:
        if request.path == "/bad":
            return fail(request)
        if request.path == "/broken":
            return Response(200, (("A", "b\n"),))
        return echo(request)

    served = serve(respond)
    with served.connect() as client:
        for path, status in (("/bad", 500), ("/broken", 500), ("/good", 200)):
            client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            response, body = read_response(client)
            assert response.status == status
            assert b"secret" not in body
    assert [(component, type(error)) for component, error in served.failures] == [
        ("metrics_server", RuntimeError),
        ("metrics_server", ValueError),
    ]


def test_a_report_that_fails_is_survived(serve: Callable[..., Any]) -> None:
    """Even ``on_failure`` cannot end the thread."""
    served = serve(fail)
    served.server._on_failure = None

    for _ in range(2):
        assert served.scrape()[0].status == 500


def test_the_server_never_logs(serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """A thread that logs holds a lock which a fork copies."""
    caplog.set_level(logging.DEBUG)
    served = serve(fail)
    served.scrape()
    served.connect(b"\x00garbage").close()
    served.server.stop()

    assert caplog.records == []


def test_signals_are_left_to_the_main_thread(serve: Callable[..., Any]) -> None:
    """A signal that the kernel gave to this thread would not wake the arbiter."""
    served = serve(lambda _: Response(200, (), repr(signal.pthread_sigmask(signal.SIG_BLOCK, ())).encode()))

    _, body = served.scrape()

    assert b"SIGTERM" in body
    assert b"SIGCHLD" in body
    assert b"SIGSEGV" not in body
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_stop_leaves_nothing(serve: Callable[..., Any], read_response: Reader) -> None:
    """No thread, no descriptor, and every client is told."""
    before = open_descriptors()
    served = serve(echo)
    clients = [served.connect() for _ in range(3)]
    for client in clients[1:]:
        client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        read_response(client)
    assert served.server.fileno() >= 0

    served.server.stop()
    served.server.stop()

    assert served.server.fileno() == -1
    assert THREAD_NAME not in [thread.name for thread in threading.enumerate()]
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    assert open_descriptors() == before
    assert served.failures == []


def test_who_came_before_the_end_is_answered(serve: Callable[..., Any], read_response: Reader) -> None:
    """A client that has connected may still ask, for a second; nobody else comes in."""
    served = serve(echo)
    with served.connect() as client, served.connect(b"GET /x HTTP/1.1\r\n\r\n") as idle:
        read_response(idle)
        stopping = threading.Thread(target=served.server.stop)
        stopping.start()
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            served.connect()
        client.sendall(b"GET /y HTTP/1.1\r\n\r\n")
        assert read_response(client)[1] == b"GET /y"
        assert client.recv(1) == b""
        stopping.join(5)
        assert not stopping.is_alive()


def test_stop_from_the_thread_itself(serve: Callable[..., Any]) -> None:
    """A server that ``respond`` stops ends without waiting for itself."""
    before = open_descriptors()
    served: Any

    def respond(request: Request) -> Response:
        served.server.stop()
        return echo(request)

    served = serve(respond)
    served.scrape()

    thread = served.server._thread
    thread.join(5)
    assert not thread.is_alive()
    assert open_descriptors() == before


def test_stop_before_start_closes() -> None:
    """A server that was made and never started can be given back."""
    before = open_descriptors()
    server = MetricsServer(open_listener("127.0.0.1", 0), echo, gate=ForkGate(), on_failure=lambda *_: None)
    server.stop()

    assert open_descriptors() == before


def test_an_abandoned_child_keeps_nothing(serve: Callable[..., Any], read_response: Reader) -> None:
    """A child closes what it inherited, and neither that nor its living on is noticed by the parent's clients."""
    before = open_descriptors()
    served = serve(echo)
    client = served.connect(b"GET /x HTTP/1.1\r\n\r\n")
    read_response(client)
    during = open_descriptors()
    reader, writer = os.pipe()

    pid = os.fork()
    if pid == 0:
        os.close(writer)
        served.server.abandon()
        served.server.stop()
        left = open_descriptors() - before - {str(reader), str(client.fileno())}
        os.read(reader, 1)
        os._exit(len(left))
    os.close(reader)

    assert len(during) > len(before) + 2
    client.sendall(b"GET /y HTTP/1.1\r\n\r\n")
    assert read_response(client)[1] == b"GET /y"
    assert served.scrape()[0].status == 200
    served.server.stop()
    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        served.connect()
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    client.close()


def test_a_child_that_did_not_abandon_does_no_harm(serve: Callable[..., Any], read_response: Reader) -> None:
    """A process somebody else forked holds copies of everything; clients are still told, and nothing spins."""
    served = serve(echo, idle_timeout=0.3)
    client = served.connect(b"GET /x HTTP/1.1\r\n\r\n")
    read_response(client)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)

    assert client.recv(1) == b""
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.2
    assert served.seconds_to_scrape() < 1
    os.close(writer)
    os.waitpid(pid, 0)
    client.close()
