"""The server over TLS, with clients that behave and clients that do not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.http import Request, Response
from gunicorn_prometheus_exporter.server.tls import TlsConfig
from tests.core.server.authority import Authority

BIG = os.urandom(1 << 20) * 8


def respond(request: Request) -> Response:
    return Response(200, (), BIG if request.path == "/big" else f"{request.method} {request.path}".encode())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def served(serve: Callable[..., Any], authority: Authority) -> Any:
    context = TlsConfig(*_files(authority.issue("server"))).context()
    return serve(respond, tls=lambda: context)


def _files(issued: tuple[str, str]) -> tuple[str, None, str, None]:
    return issued[0], None, issued[1], None


def secure(served: Any, context: ssl.SSLContext, **options: Any) -> ssl.SSLSocket:
    return context.wrap_socket(served.connect(**options), server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_over_tls(served: Any, authority: Authority, read_response: Any, version: ssl.TLSVersion) -> None:
    """One connection serves request after request, pipelined ones too, and ends with a word of TLS."""
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    with secure(served, context) as client:
        for number in range(3):
            client.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % number)
            assert read_response(client)[1] == b"GET /%d" % number
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(50)))
        for number in range(50):
            assert read_response(client)[1] == b"GET /%d" % number
        client.sendall(b"GET /last HTTP/1.0\r\n\r\n")
        assert read_response(client)[1] == b"GET /last"
        client.suppress_ragged_eofs = False
        assert client.recv(1) == b""


def test_a_big_page_over_tls(served: Any, authority: Authority, read_response: Any) -> None:
    """Every byte arrives at a slow reader's, and nobody waits for it."""
    with secure(served, authority.client(), receive_buffer=65536) as client:
        client.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        time.sleep(0.2)
        with secure(served, authority.client()) as other:
            other.sendall(b"GET /x HTTP/1.1\r\n\r\n")
            assert read_response(other)[1] == b"GET /x"
        _, body = read_response(client)
        assert hashlib.sha256(body).digest() == hashlib.sha256(BIG).digest()


def test_a_request_byte_by_byte(served: Any, authority: Authority, read_response: Any) -> None:
    """Where TLS cuts does not matter."""
    with secure(served, authority.client()) as client:
        for byte in b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n":
            client.sendall(bytes([byte]))
        assert read_response(client)[1] == b"GET /x"


def test_a_handshake_byte_by_byte(served: Any, authority: Authority) -> None:
    """... nor where TCP cuts the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with served.connect() as client:
        done = False
        while not done:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            for byte in outgoing.read():
                client.sendall(bytes([byte]))
            if not done:
                incoming.write(client.recv(7))
        tls.write(b"GET /x HTTP/1.0\r\n\r\n")
        client.sendall(outgoing.read())
        while data := client.recv(1000):
            incoming.write(data)
        assert tls.read(1000).endswith(b"GET /x")


def test_plain_http(served: Any, read_response: Any) -> None:
    """Whoever forgot the s is told so, in a language they understand."""
    with served.connect(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n") as client:
        response, body = read_response(client)
        assert response.status == 400
        assert b"HTTPS" in body
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70000,
        b"\x80\x2e\x01\x03\x01" * 90,
    ],
)
def test_garbage_instead_of_tls(served: Any, sent: bytes) -> None:
    """Garbage ends its own connection, soon, and leaves no trace."""
    with served.connect(sent) as client, contextlib.suppress(ConnectionError):
        while client.recv(1000):
            pass
    assert served.failures == []


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_half_a_handshake_has_a_deadline(serve: Callable[..., Any], authority: Authority, sent: bytes) -> None:
    """... as any request has."""
    context = TlsConfig(*_files(authority.issue("server"))).context()
    served = serve(respond, tls=lambda: context, head_timeout=0.4)
    with served.connect(sent) as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
        assert 0.3 < time.monotonic() - began < 4


def test_a_client_that_is_refused_learns_why(serve: Callable[..., Any], authority: Authority, tmp_path: Path) -> None:
    """Without a certificate that is good, the client gets TLS's own alert, and never an answer."""
    context = TlsConfig(
        *_files(authority.issue("server")), client_ca_file=str(authority.file), client_auth=ssl.CERT_REQUIRED
    ).context()
    served = serve(respond, tls=lambda: context)
    stranger = Authority(tmp_path, "other").issue("stranger", "stranger")
    for certificate, alert in ((None, "CERTIFICATE_REQUIRED"), (stranger, "UNKNOWN_CA")):
        with secure(served, authority.client(certificate)) as client:
            client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
            with pytest.raises(ssl.SSLError, match=alert):
                client.recv(1)
    with secure(served, authority.client(authority.issue("friend", "friend"))) as client:
        client.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b"H"


def s_client(served: Any, *arguments: str, lines: list[str], until: str) -> str:
    """What openssl's own client says, ``until`` included, when it is told ``lines``: K is a new key, R a handshake."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.port}", *arguments]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT, text=True) as client,
    ):
        assert client.stdin is not None

        def wait_for(text: str) -> str:
            deadline = time.monotonic() + 20
            while text not in os.pread(said.fileno(), 1 << 20, 0).decode():
                assert time.monotonic() < deadline, text
                time.sleep(0.05)
            return os.pread(said.fileno(), 1 << 20, 0).decode()

        wait_for("Verify return code")
        for line in lines:
            client.stdin.write(f"{line}\n")
            client.stdin.flush()
            # It takes a command for one only where its input begins.
            time.sleep(0.3)
        found = wait_for(until)
        client.kill()
        return found


def test_new_keys(served: Any) -> None:
    """A client may ask for new keys in the middle of a connection, and of a request."""
    said = s_client(served, "-tls1_3", lines=["K", "GET /x HTTP/1.0", "K", ""], until="200 OK")
    assert said.count("KEYUPDATE") == 2


def test_no_renegotiation(served: Any) -> None:
    """Another handshake on the same connection, which costs us more than the client, is refused."""
    s_client(served, "-tls1_2", lines=["R"], until="no renegotiation")


def test_a_context_for_each_client(serve: Callable[..., Any], authority: Authority) -> None:
    """A new certificate is for the next client, and old connections go on."""
    contexts = [TlsConfig(*_files(authority.issue("server"))).context()]
    served = serve(respond, tls=lambda: contexts[-1])
    with secure(served, authority.client()) as old:
        before = old.getpeercert()
        contexts.append(TlsConfig(*_files(authority.issue("server"))).context())
        with secure(served, authority.client()) as new:
            after = new.getpeercert()
        old.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert old.recv(1) == b"H"
    assert before is not None
    assert after is not None
    assert before["serialNumber"] != after["serialNumber"]


def test_a_child_does_not_keep_the_key(serve: Callable[..., Any], authority: Authority) -> None:
    """A forked child that lets go of the server lets go of what it spoke TLS with, in the middle of a handshake too."""
    import gc
    import weakref

    context = TlsConfig(*_files(authority.issue("server"))).context()
    watch = weakref.ref(context)
    current: list[ssl.SSLContext] = [context]
    served = serve(respond, tls=lambda: current[0])
    del context
    with served.connect(b"\x16\x03\x01\x02\x00\x01\x00") as half, secure(served, authority.client()) as whole:
        time.sleep(0.2)
        pid = os.fork()
        if pid == 0:
            served.server.abandon()
            current.clear()
            gc.collect()
            os._exit(0 if watch() is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        whole.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert whole.recv(1) == b"H"
        half.shutdown(socket.SHUT_WR)
