"""Where the server listens, and what the operator reads when it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gunicorn_prometheus_exporter.server.listener import ListenerError, adopt_listener, open_listener


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "::", ""])
def test_listens(address: str) -> None:
    """Every way to write an address listens there, without blocking and without leaking into other programs."""
    with open_listener(address, 0) as listener:
        assert not listener.getblocking()
        assert not listener.get_inheritable()
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
        socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()


def test_a_port_of_a_server_that_just_ended_is_free() -> None:
    """Connections in TIME_WAIT do not stand in the way of a restart."""
    first = open_listener("127.0.0.1", 0)
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        first.setblocking(True)
        accepted, _ = first.accept()
        accepted.close()
        first.close()
        assert client.recv(1) == b""

    open_listener("127.0.0.1", port).close()


def test_a_port_in_use(taken: int) -> None:
    """The error names the setting, the value and the likely culprit, in one line."""
    with pytest.raises(ListenerError) as error:
        open_listener("127.0.0.1", taken)

    assert str(error.value) == (
        f"exporter.prometheus.metrics_port (PROMETHEUS_METRICS_PORT): port {taken} on 127.0.0.1 is in use by another "
        "process; stop that process (another Gunicorn with this exporter, or a sidecar?) or choose a free port, "
        "one for each master"
    )


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none(port: int) -> None:
    """A number outside the range says so before anything is opened."""
    with pytest.raises(
        ListenerError, match=rf"PROMETHEUS_METRICS_PORT\): {port} is not a port; allowed are 1 to 65535"
    ):
        open_listener("127.0.0.1", port)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("192.0.2.1", "'192.0.2.1' is not an address of this machine"),
        ("300.1.2.3", "'300.1.2.3' is neither an IP address nor a host name that resolves"),
        ("a" * 300, "is neither an IP address nor a host name that resolves"),
    ],
)
def test_an_address_that_is_not_ours(address: str, says: str) -> None:
    """The error names the other setting when that is the wrong one."""
    with pytest.raises(ListenerError) as error:
        open_listener(address, 0)

    assert str(error.value).startswith("exporter.prometheus.bind_address (PROMETHEUS_BIND_ADDRESS): ")
    assert says in str(error.value)


def test_no_descriptor_is_left_behind(taken: int) -> None:
    """A refused start leaves nothing open."""
    before = set(os.listdir("/proc/self/fd"))
    for address, port in (("127.0.0.1", taken), ("192.0.2.1", 0), ("300.1.2.3", 0)):
        with pytest.raises(ListenerError):
            open_listener(address, port)

    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", ""])
@pytest.mark.parametrize("any_port", [False, True])
def test_an_inherited_listener_is_adopted(address: str, any_port: bool) -> None:
    """The socket of the process before an exec goes on, without a moment in which nobody listens."""
    before = open_listener(address, 0)
    port = before.getsockname()[1]

    after = adopt_listener(before.detach(), address, 0 if any_port else port)

    assert after is not None
    with after:
        assert after.getsockname()[1] == port
        assert not after.getblocking()
        assert not after.get_inheritable()


def test_a_listener_survives_an_exec() -> None:
    """A client that connected before the exec is served after it."""
    program = """
import sys
from gunicorn_prometheus_exporter.server.listener import adopt_listener
listener = adopt_listener(int(sys.argv[1]), "127.0.0.1", int(sys.argv[2]))
listener.setblocking(True)
client, _ = listener.accept()
client.sendall(b"served")
"""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            os.set_inheritable(listener.fileno(), True)
            subprocess.run(
                [sys.executable, "-c", program, str(listener.fileno()), str(port)],
                close_fds=False,
                check=True,
                timeout=20,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert client.recv(10) == b"served"


@pytest.mark.parametrize("address", ["127.0.0.2", "0.0.0.0", "::1"])
def test_a_listener_elsewhere_is_closed(address: str) -> None:
    """After the address changed in the configuration, the old port stops accepting."""
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]

    assert adopt_listener(listener.detach(), address, port) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_another_port_is_closed() -> None:
    """The same after the port changed."""
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]

    assert adopt_listener(listener.detach(), "127.0.0.1", port ^ 1) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_descriptor_of_somebody_else_is_left_alone() -> None:
    """A number that means something else by now is not closed under its owner."""
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]

    for fd in (ours.fileno(), reader, bound.fileno(), 99999):
        assert adopt_listener(fd, "127.0.0.1", port) is None

    theirs.send(b"x")
    assert ours.recv(1) == b"x"
    os.write(writer, b"y")
    assert os.read(reader, 1) == b"y"
    bound.listen()
    for each in (ours, theirs, bound):
        each.close()
    os.close(reader)
    os.close(writer)
