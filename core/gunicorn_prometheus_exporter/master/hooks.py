"""Gunicorn's server hooks with the exporter's part in front of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_MARK: Final = "_gunicorn_prometheus_hook"


def put_in_front(cfg: Any, name: str, ours: Callable[..., None]) -> None:
    """Make the hook ``name`` of ``cfg`` call ``ours`` and then whatever it was. Does nothing the second time."""
    users = cfg.settings[name].get()
    if getattr(users, _MARK, False):
        return
    hook = _WITH_ARGUMENTS[name](ours, users)
    setattr(hook, _MARK, True)
    cfg.set(name, hook)


# Gunicorn counts a hook's arguments when it is set, so each has its own signature.
def _of_server(ours: Callable[..., None], users: Callable[..., None]) -> Callable[..., None]:
    def hook(server: Any) -> None:
        ours(server)
        users(server)

    return hook


def _of_server_and_worker(ours: Callable[..., None], users: Callable[..., None]) -> Callable[..., None]:
    def hook(server: Any, worker: Any) -> None:
        ours(server, worker)
        users(server, worker)

    return hook


_WITH_ARGUMENTS: Final = {
    "when_ready": _of_server,
    "pre_exec": _of_server,
    "on_exit": _of_server,
    "pre_fork": _of_server_and_worker,
    "child_exit": _of_server_and_worker,
}
