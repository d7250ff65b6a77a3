"""Gunicorn server hooks for a configuration that wants to name them.

None is needed: with one of the exporter's worker classes, everything happens by itself. They are for configurations
that have them already, and for Gunicorn's own worker classes: with those, the hooks bring the metrics endpoint and
everything that the master knows (signals, spawned workers, exits and their reasons), but no traffic. Each may be
called again, with or without the others, and from a function of your own::

    # gunicorn.conf.py
    from gunicorn_prometheus_exporter.hooks import default_when_ready

    def when_ready(server):
        default_when_ready(server)
        server.log.info("ready")
"""

from __future__ import annotations

from typing import Any

from .master.last_word import speak_for
from .master.master import Master
from .settings import load_yaml_config

__all__ = [
    "default_on_exit",
    "default_on_starting",
    "default_post_fork",
    "default_when_ready",
    "default_worker_int",
    "load_yaml_config",
    "redis_sidecar_when_ready",
    "redis_when_ready",
]


def default_on_starting(server: Any) -> None:
    """``on_starting``: read the settings and open the storage. Raises SettingsError, which stops the start."""
    Master.of_this_process(server.cfg, server.log).watch(server)


def default_when_ready(server: Any) -> None:
    """``when_ready``: the same if it has not happened yet, and open the metrics endpoint."""
    default_on_starting(server)
    Master.of_this_process(server.cfg, server.log).serve()


def default_post_fork(server: Any, worker: Any) -> None:
    """``post_fork``: let the new worker say in the end why it ended."""
    if Master.existing() is not None:
        speak_for(worker)


def default_worker_int(worker: Any) -> None:
    """``worker_int``: nothing is left to do, because a worker notes by itself that it was told to end."""


def default_on_exit(server: Any) -> None:
    """``on_exit``: close the metrics endpoint and leave the storage."""
    master = Master.existing()
    if master is not None:
        master.close()


def redis_when_ready(server: Any) -> None:
    """``when_ready`` of configurations with Redis: as `default_when_ready`. The storage is what the settings say."""
    default_when_ready(server)


def redis_sidecar_when_ready(server: Any) -> None:
    """``when_ready`` where a sidecar serves the metrics: open the storage, and no metrics endpoint, whatever is set."""
    default_on_starting(server)
    Master.of_this_process(server.cfg, server.log).leave_serving_to_sidecar()
