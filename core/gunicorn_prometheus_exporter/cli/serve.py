"""``serve``: an exporter, or a sidecar, for what Gunicorn servers share in a directory or in Redis."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from typing import Final

from ..settings import settings_from
from ..settings.yaml_file import read_yaml_file
from .command import Command

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_LOG_FORMAT: Final = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
_LOG_TIME: Final = "%Y-%m-%d %H:%M:%S %z"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings; the environment wins over it")


def _run(arguments: argparse.Namespace) -> int:
    from ..server.listener import ListenerError
    from ..standalone import Standalone

    logging.basicConfig(format=_LOG_FORMAT, datefmt=_LOG_TIME, level=logging.INFO, stream=sys.stderr)
    file = None if arguments.config is None else read_yaml_file(arguments.config)
    exporter = Standalone(settings_from(os.environ, file))
    # Held back in all threads, and waited for in this one. As the first process of a container too.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        exporter.run(lambda: signal.sigwait(_ENDING))
    except ListenerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


SERVE: Final = Command(
    "serve",
    "Serve the metrics that Gunicorn servers keep in PROMETHEUS_MULTIPROC_DIR or, with REDIS_ENABLED, in Redis, until "
    "SIGTERM or SIGINT. Exit status: 0 ended by one of these, 1 settings or port cannot be used, 2 wrong use.",
    _add_arguments,
    _run,
)
