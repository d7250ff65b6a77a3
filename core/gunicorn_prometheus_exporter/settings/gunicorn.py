"""The settings that are Gunicorn's own."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import integer
from .setting import setting


@dataclass(frozen=True)
class GunicornSettings:
    """Settings of Gunicorn, where its command line and its configuration file leave them open. None: Gunicorn's own."""

    gunicorn_workers: int | None = setting(
        None, "gunicorn.workers", "GUNICORN_WORKERS", integer(1, 10_000), "Number of workers. Unset: Gunicorn's, 1."
    )
    gunicorn_timeout: int | None = setting(
        None,
        "gunicorn.timeout",
        "GUNICORN_TIMEOUT",
        integer(0, 86_400),
        "Seconds after which a silent worker is killed. Unset: Gunicorn's, 30.",
    )
    gunicorn_keepalive: int | None = setting(
        None,
        "gunicorn.keepalive",
        "GUNICORN_KEEPALIVE",
        integer(0, 86_400),
        "Seconds to wait for the next request on a connection. Unset: Gunicorn's, 2.",
    )
