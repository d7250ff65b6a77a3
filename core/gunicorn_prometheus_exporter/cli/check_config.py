"""``check-config``: what the settings come to, and where each comes from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Final

from ..settings import Settings, SettingsError, settings_from
from ..settings.definition import definitions
from ..settings.errors import MASK, written
from ..settings.variables import remarks
from ..settings.yaml_file import read_yaml_file
from .command import Command
from .table import table

_HEADER: Final = ("SETTING", "VALUE", "FROM")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="YAML file for load_yaml_config; default: none")
    parser.add_argument("--given", action="store_true", help="leave out what is a default")


def _run(arguments: argparse.Namespace) -> int:
    file = None if arguments.file is None else read_yaml_file(arguments.file)
    settings = settings_from(os.environ, file)
    _check_files(settings)
    rows = [row for row in _rows(settings) if row[2] != _DEFAULT or not arguments.given]
    for line in table([_HEADER, *rows]):
        print(line)  # noqa: T201
    for remark in remarks(os.environ, settings):
        print(f"note: {remark}")  # noqa: T201
    return 0


def _check_files(settings: Settings) -> None:
    """What a start would find out beyond the settings themselves. Raises SettingsError."""
    from ..redis.connection import RedisConnection
    from ..server.policy import read_policy

    problems: list[str] = []
    for check in (read_policy, *((RedisConnection,) if settings.redis_enabled else ())):
        try:
            check(settings)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)


_DEFAULT: Final = "default"
_Row = tuple[str, str, str]


def _rows(settings: Settings) -> Iterator[_Row]:
    for definition in definitions():
        text = written(getattr(settings, definition.name))
        place = settings.places.get(definition.name)
        origin = _DEFAULT if place is None else place.name if place.is_variable else place.where
        yield f"exporter.{definition.yaml}", MASK if text and definition.kind.secret else text or "-", origin


CHECK_CONFIG: Final = Command(
    "check-config",
    "Say what the settings in FILE and the environment come to, and where each comes from. "
    "Exit status: 0 they can be used, 1 they cannot, 2 wrong use.",
    _add_arguments,
    _run,
)
