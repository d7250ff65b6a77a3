"""The command line's entry point."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from ..settings import SettingsError
from .check_config import CHECK_CONFIG
from .command import Command, CommandFailed
from .dump import DUMP
from .health import HEALTH
from .serve import SERVE
from .top import TOP

_NAME: Final = "gunicorn-prometheus-exporter"
_COMMANDS: Final[tuple[Command, ...]] = (SERVE, CHECK_CONFIG, HEALTH, DUMP, TOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (default: those of the process). Returns the exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except CommandFailed as failure:
        print(f"{_NAME}: {failure}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_NAME, description="Prometheus metrics of Gunicorn servers.")
    parser.add_argument("--version", action="version", version=f"{_NAME} {version(_NAME)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    return parser
