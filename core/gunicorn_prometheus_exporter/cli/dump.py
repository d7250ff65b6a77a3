"""``dump``: what is stored, segment by segment, in a directory or in Redis."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.utils import floatToGoString

from ..scrape.directory import DirectorySource
from ..scrape.entries import Key
from ..scrape.reader import Reader
from ..scrape.readings import Reading, Readings
from ..settings import Settings, SettingsError, settings_from
from ..settings.yaml_file import read_yaml_file
from ..storage.names import SegmentName
from .command import Command, CommandFailed
from .table import table

_HEADER: Final = ("SEGMENT", "OWNER", "SERIES", "STATE")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class _Found:
    """One segment. ``reading`` is None if it is empty, or not sound, or means nothing any more."""

    name: SegmentName
    state: str
    reading: Reading | None = None


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIRECTORY", nargs="?", help="default: what the settings say")
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings; the environment wins over it")
    parser.add_argument("--values", action="store_true", help="every value, too")
    parser.add_argument("--metric", metavar="NAME", help="only the values of this family or sample")


def _run(arguments: argparse.Namespace) -> int:
    file = None if arguments.config is None else read_yaml_file(arguments.config)
    found = _find(arguments.directory, settings_from(os.environ, file))
    if arguments.metric is None:
        for line in table([_HEADER, *map(_row, found)]):
            print(line)  # noqa: T201
    if arguments.values or arguments.metric is not None:
        for one in found:
            _print_values(one, arguments.metric)
    unreadable = sum(one.state == "unreadable" for one in found)
    if unreadable:
        print(f"{unreadable} of {len(found)} cannot be read", file=sys.stderr)  # noqa: T201
    return 1 if unreadable else 0


def _find(directory: str | None, settings: Settings) -> list[_Found]:
    if directory is None and settings.redis_enabled:
        return _in_redis(settings)
    path = directory or settings.multiproc_dir
    if path is None:
        raise SettingsError([settings.problem("multiproc_dir", "a directory; name one, or turn Redis on")])
    try:
        return sorted(_in_directory(path), key=_order)
    except OSError as error:
        raise CommandFailed(f"DIRECTORY: {path!r} cannot be read: {error.strerror}") from error


def _in_directory(path: str) -> Iterator[_Found]:
    # A source takes a directory that is not there for an empty one, since a sidecar may start first.
    os.listdir(path)
    for segment in DirectorySource(path).scan():
        if not segment.alive:
            yield _Found(segment.name, "of a worker that is gone")
            continue
        read = Reader().read([segment])
        if read.unreadable:
            yield _Found(segment.name, "unreadable")
        elif read.readings:
            yield _Found(segment.name, f"{read.size} bytes", read.readings[0])
        else:
            yield _Found(segment.name, "empty")


def _in_redis(settings: Settings) -> list[_Found]:
    from ..redis.connection import RedisTrouble
    from ..redis.view import fleet_of

    fleet = fleet_of(settings, scope=settings.redis_scope or "fleet")
    try:
        fleet.refresh()
    except RedisTrouble as error:
        raise CommandFailed(f"Redis cannot be read: {error}") from error
    read: Readings = fleet.readings()
    if read.unreadable:
        print(f"{read.unreadable} values of Redis cannot be read", file=sys.stderr)  # noqa: T201
    return [_Found(reading.name, "in Redis", reading) for reading in read.readings]


def _order(found: _Found) -> tuple[str, str, str]:
    return found.name.owner, found.name.kind, found.name.mode


def _row(found: _Found) -> tuple[str, ...]:
    series = "-" if found.reading is None else str(len(found.reading.values))
    return found.name.filename.rpartition(".")[0], _owner(found.name), series, found.state


def _owner(name: SegmentName) -> str:
    origin = "" if name.origin is None else f"{name.origin.source}: "
    kind, number = name.owner[0], name.owner[1:]
    if name.owner.isdecimal():
        return f"{origin}worker slot {name.owner}"
    if number.isdecimal() and kind in "ms":
        return f"{origin}master {number}" if kind == "m" else f"{origin}samples of worker slot {number}"
    return f"{origin}process {name.owner}"


def _print_values(found: _Found, metric: str | None) -> None:
    if found.reading is None:
        return
    rows = zip(found.reading.layout.keys, found.reading.values, strict=True)
    lines = [f"  {_sample(key)} {floatToGoString(value)}" for key, value in rows if _wanted(key, metric)]
    if lines:
        print(f"{_owner(found.name)}, {found.name.filename.rpartition('.')[0]}")  # noqa: T201
        for line in lines:
            print(line)  # noqa: T201


def _wanted(key: Key, metric: str | None) -> bool:
    return metric is None or metric in (key.family, key.sample)


def _sample(key: Key) -> str:
    return key.sample + _labels(key.labels)


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


DUMP: Final = Command(
    "dump",
    "Print what Gunicorn servers have stored, in a directory or, with REDIS_ENABLED, in Redis. "
    "A histogram's buckets are as they are stored: each counts alone. "
    "Exit status: 0 done, 1 something cannot be read, 2 wrong use.",
    _add_arguments,
    _run,
)
