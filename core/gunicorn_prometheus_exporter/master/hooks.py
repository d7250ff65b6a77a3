"""Gunicorn's server hooks with the exporter's part around the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_MARK: Final = "_gunicorn_prometheus_hook"


def _nothing(*_: Any) -> None:
    pass


def put_around(cfg: Any, name: str, before: Callable[..., None], after: Callable[..., None] = _nothing) -> None:
    """Make the hook ``name`` of ``cfg`` call ``before``, what it was, and ``after``. Does nothing the second time."""
    users = cfg.settings[name].get()
    if getattr(users, _MARK, False):
        return
    hook = _WITH_ARGUMENTS[name](before, users, after)
    setattr(hook, _MARK, True)
    cfg.set(name, hook)


_Hook = Callable[..., None]


# Gunicorn counts a hook's arguments when it is set, so each has its own signature.
def _of_server(before: _Hook, users: _Hook, after: _Hook) -> _Hook:
    def hook(server: Any) -> None:
        before(server)
        users(server)
        after(server)

    return hook


def _of_server_and_worker(before: _Hook, users: _Hook, after: _Hook) -> _Hook:
    def hook(server: Any, worker: Any) -> None:
        before(server, worker)
        users(server, worker)
        after(server, worker)

    return hook


_WITH_ARGUMENTS: Final = {
    "when_ready": _of_server,
    "pre_exec": _of_server,
    "on_exit": _of_server,
    "on_dirty_starting": _of_server,
    "pre_fork": _of_server_and_worker,
    "post_fork": _of_server_and_worker,
    "child_exit": _of_server_and_worker,
}
