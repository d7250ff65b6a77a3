"""What waits in front of a master's listeners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..gunicorn_versions import own_listener_addresses
from .accept_queue import Backlog, TcpListener, backlog_of, tcp_listeners


def backlogs(arbiter: Any) -> dict[str, Backlog]:
    """The accept queue of each listener of ``arbiter``, by its address as Gunicorn prints it.

    Where each worker has a socket of its own (``reuse_port``), it is the sum over those of one address. A queue that
    cannot be seen is left out.
    """
    addresses = own_listener_addresses(arbiter)
    if addresses:
        try:
            return sum_at(addresses, tcp_listeners(), "https" if arbiter.cfg.is_ssl else "http")
        except OSError:
            return {}
    found = {}
    for listener in tuple(arbiter.LISTENERS):
        try:
            backlog = backlog_of(listener.sock)
            if backlog is not None:
                found[str(listener)] = backlog
        except (OSError, AttributeError):
            # It has just been closed, and then has no socket any more, or the system does not answer.
            continue
    return found


def sum_at(addresses: Sequence[tuple[str, int]], listeners: Iterable[TcpListener], scheme: str) -> dict[str, Backlog]:
    """By URL, the sum over those of ``listeners`` that are at one of ``addresses`` (host and port)."""
    sums: dict[str, Backlog] = {}
    for host, port, backlog in listeners:
        if any(port == wanted and _may_be(host, name) for name, wanted in addresses):
            url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            before = sums.get(url, Backlog(0, 0))
            sums[url] = Backlog(before.waiting + backlog.waiting, before.limit + backlog.limit)
    return sums


def _may_be(host: str, name: str) -> bool:
    """Whether ``name`` is ``host``, or is no address: looking a name up could take seconds, so its port has to do."""
    is_address = ":" in name or name.replace(".", "").isdecimal()
    return name == host or not is_address
