"""The listening socket of the metrics server."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

BACKLOG: Final = 1024

_PORT: Final = "exporter.prometheus.metrics_port (PROMETHEUS_METRICS_PORT)"
_ADDRESS: Final = "exporter.prometheus.bind_address (PROMETHEUS_BIND_ADDRESS)"


class ListenerError(RuntimeError):
    """The metrics server cannot listen where it should. The message is one line for the operator."""


def open_listener(address: str, port: int) -> socket.socket:
    """Listen on ``address`` (IPv4, IPv6 or host name; ``""`` is every address) and TCP ``port`` (0: any free one).

    The socket does not block and is not inherited by programs this process starts. Raises `ListenerError`.
    """
    family, sockaddr = _resolve(address, port)[0]
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ListenerError(_explain(error, address, port)) from error
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(sockaddr)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenerError(_explain(error, address, port)) from error
    return listener


def adopt_listener(fd: int, address: str, port: int) -> socket.socket | None:
    """Take over the listening socket that the process before an exec left in descriptor ``fd``.

    Returns None unless it is bound to ``address`` and ``port`` (0: any). A listening TCP socket that is bound
    elsewhere is closed, so that its port stops accepting clients nobody serves; a descriptor that is anything
    else is not what was left there, and is not touched. Raises `ListenerError` for an address that means nothing.
    """
    wanted = _resolve(address, port)
    try:
        listener = socket.socket(fileno=fd)
    except OSError:
        return None
    if not _listens(listener):
        listener.detach()
        return None
    if not any(_is_bound_to(listener, family, sockaddr) for family, sockaddr in wanted):
        listener.close()
        return None
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


def _listens(sock: socket.socket) -> bool:
    try:
        return (
            sock.family in (socket.AF_INET, socket.AF_INET6)
            and sock.type == socket.SOCK_STREAM
            and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        )
    except OSError:
        return False


def _is_bound_to(listener: socket.socket, family: int, sockaddr: tuple[Any, ...]) -> bool:
    host, port = listener.getsockname()[:2]
    return listener.family == family and host == sockaddr[0] and sockaddr[1] in (0, port)


def _resolve(address: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    if not 0 <= port <= 65535:
        raise ListenerError(f"{_PORT}: {port} is not a port; allowed are 1 to 65535, and 0 for any free port")
    try:
        found = socket.getaddrinfo(address.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenerError(
            f"{_ADDRESS}: {address!r} is neither an IP address nor a host name that resolves; "
            "use an address of this machine, 0.0.0.0 for all of IPv4, or :: for all of IPv6"
        ) from error
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def _explain(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{_PORT}: port {port} on {address or 'every address'} is in use by another process; stop that process "
            "(another Gunicorn with this exporter, or a sidecar?) or choose a free port, one for each master"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{_PORT}: this user may not listen on port {port}; choose a port from 1024 to 65535"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return (
            f"{_ADDRESS}: {address!r} is not an address of this machine; "
            "use one that is, 0.0.0.0 for all of IPv4, or :: for all of IPv6"
        )
    return f"{_ADDRESS}: cannot listen on {address or 'every address'}, port {port}: {error.strerror or error}"
