"""Settings that are Gunicorn's own, where the user's Gunicorn configuration leaves them open."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from ..settings import Settings
from ..settings.config_file import configuration_file

_NAMES: Final = ("workers", "timeout", "keepalive")
_WORKERS: Final = "gunicorn_workers"


def fill_in(cfg: Any, settings: Settings) -> None:
    """Set in ``cfg`` what ``settings`` have for Gunicorn and its command line and configuration file have not.

    Once for each ``cfg``: afterwards it cannot be told any more who set what.
    """
    given = _given(cfg)
    for name in _NAMES:
        value = getattr(settings, f"gunicorn_{name}")
        if value is None or name in given:
            continue
        if name == "workers" and "WEB_CONCURRENCY" in os.environ and not settings.places[_WORKERS].is_variable:
            # Gunicorn's own variable: the environment wins over files.
            continue
        cfg.set(name, value)


def hand_over(arbiter: Any) -> None:
    """Give ``arbiter`` what its configuration says by now: it has taken its copies before."""
    if arbiter.num_workers != arbiter.cfg.workers:
        arbiter.num_workers = arbiter.cfg.workers
    arbiter.timeout = arbiter.cfg.timeout


def _given(cfg: Any) -> set[str]:
    """The names of the settings that the user has given to Gunicorn.

    A program that makes its own configuration is not seen here, except where it sets something else than the default.
    """
    given = {name for name in _NAMES if cfg.settings[name].get() != cfg.settings[name].default}
    location = "file"
    # Gunicorn's own programs have a usage text, and read the command line.
    if cfg.usage is not None:
        parser = cfg.parser()
        for arguments in (cfg.get_cmd_args_from_env(), sys.argv[1:]):
            try:
                parsed = vars(parser.parse_known_args(arguments)[0])
            except SystemExit:
                # Gunicorn has read other arguments than those that are there now.
                continue
            given |= {name for name in _NAMES if parsed[name] is not None}
            location = parsed["config"] or location
    module = sys.modules.get(location[7:]) if location.startswith("python:") else configuration_file()
    return given | {name for name in _NAMES if hasattr(module, name)}
