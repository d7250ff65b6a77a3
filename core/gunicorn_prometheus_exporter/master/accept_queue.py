"""The accept queues of listening sockets, as the Linux kernel tells them. Elsewhere there are none to see.

TCP tells its queue in ``TCP_INFO``. Unix sockets, and sockets that other processes have opened, need the kernel's
socket diagnostics, which ``ss`` uses too: netlink, see sock_diag(7).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

_IS_LINUX: Final = sys.platform == "linux"
_TIMEOUT: Final = 0.1

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_NLM_F_DUMP: Final = 0x300
_UDIAG_SHOW_RQLEN: Final = 0x10
_UNIX_DIAG_RQLEN: Final = 4
_TCP_LISTEN: Final = 10
_ANY: Final = 0xFFFFFFFF

# Of a listening socket, tcpi_unacked is the length of the queue and tcpi_sacked its limit.
_tcp_info: Final = struct.Struct("=24xII")
_header: Final = struct.Struct("=IHHII")
_unix_question: Final = struct.Struct("=BBHIIIII")
_unix_answer: Final = struct.Struct("=BBBxIII")
_inet_question: Final = struct.Struct("=BBBxI48x")
_inet_answer: Final = struct.Struct("=BBxx2s2x16s16x4x8x4xII")
_attribute: Final = struct.Struct("=HH")
_queue_lengths: Final = struct.Struct("=II")


class Backlog(NamedTuple):
    """Connections that wait to be accepted, and how many the kernel lets wait."""

    waiting: int
    limit: int


class TcpListener(NamedTuple):
    """A listening socket of this host, whoever has it. ``host`` is a numeric address."""

    host: str
    port: int
    backlog: Backlog


def backlog_of(listener: socket.socket) -> Backlog | None:
    """The queue of a listening socket, None where the system does not tell. Raises OSError if it does not answer."""
    if not _IS_LINUX:
        return None
    if listener.family == socket.AF_UNIX:
        inode = os.fstat(listener.fileno()).st_ino
        question = _unix_question.pack(socket.AF_UNIX, 0, 0, _ANY, inode, _UDIAG_SHOW_RQLEN, _ANY, _ANY)
        return parse_unix_answer(next(_ask(question, _NLM_F_REQUEST)))
    return Backlog(*_tcp_info.unpack_from(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)))


def tcp_listeners() -> Iterator[TcpListener]:
    """Every TCP listener in this network namespace. Raises OSError if the system does not answer."""
    for family in (socket.AF_INET, socket.AF_INET6) if _IS_LINUX else ():
        question = _inet_question.pack(family, socket.IPPROTO_TCP, 0, 1 << _TCP_LISTEN)
        for answers in _ask(question, _NLM_F_REQUEST | _NLM_F_DUMP):
            found, is_last = parse_inet_answers(answers)
            yield from found
            if is_last:
                break


def parse_unix_answer(answer: bytes) -> Backlog | None:
    """The queue in the kernel's message about one Unix socket; None if it tells of none."""
    length, kind, *_ = _header.unpack_from(answer)
    position = _header.size + _unix_answer.size
    while kind == _SOCK_DIAG_BY_FAMILY and position + _attribute.size <= length:
        size, attribute = _attribute.unpack_from(answer, position)
        if attribute == _UNIX_DIAG_RQLEN:
            return Backlog(*_queue_lengths.unpack_from(answer, position + _attribute.size))
        position += max((size + 3) & ~3, _attribute.size)
    return None


def parse_inet_answers(answers: bytes) -> tuple[list[TcpListener], bool]:
    """The listeners in a batch of the kernel's messages, and whether it is the last batch."""
    found: list[TcpListener] = []
    position = 0
    while position < len(answers):
        length, kind, *_ = _header.unpack_from(answers, position)
        if kind != _SOCK_DIAG_BY_FAMILY:
            return found, True
        family, _, port, address, *queue = _inet_answer.unpack_from(answers, position + _header.size)
        host = socket.inet_ntop(family, address[:4] if family == socket.AF_INET else address)
        found.append(TcpListener(host, int.from_bytes(port, "big"), Backlog(*queue)))
        position += (length + 3) & ~3
    return found, False


def _ask(question: bytes, flags: int) -> Iterator[bytes]:
    """What the kernel answers to ``question``, as long as somebody wants more of it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.sendall(_header.pack(_header.size + len(question), _SOCK_DIAG_BY_FAMILY, flags, 1, 0) + question)
        while True:
            yield kernel.recv(65536)
