"""The environment's variables: which are settings, which only look so, and which were meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from .definition import Settings, definitions
from .errors import shown
from .setting import Definition, Entry, Place
from .spelling import is_slip

_OURS: Final = "PROMETHEUS_"
# Applications have variables of their own that begin so.
_SHARED: Final = ("REDIS_", "GUNICORN_", "CLEANUP_", "SIDECAR_")


def entry_of(definition: Definition, environment: Mapping[str, str]) -> Entry | None:
    """What ``environment`` says about a setting, None if nothing."""
    raw = environment.get(definition.environment, "")
    if raw == "" or definition.kind.is_foreign(raw):
        return None
    return Entry(raw, Place(definition.environment))


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """A problem for each variable that can only be meant as a setting, and is none."""
    for name, known in _slips(environment, (_OURS,)):
        yield f"{Place(name)}: there is no such setting; did you mean {known}?"


def remarks(environment: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """What may surprise, but may be right as well: it must not stop a start."""
    for name, known in _slips(environment, _SHARED):
        if settings.redis_enabled or not name.startswith("REDIS_") or known == "REDIS_ENABLED":
            yield f"{Place(name)}: is no setting of the exporter; did you mean {known}?"
    for definition in definitions():
        raw = environment.get(definition.environment, "")
        if raw and definition.kind.is_foreign(raw) and settings.redis_enabled:
            place = Place(definition.environment)
            yield f"{place}: {shown(raw)} is the address of a service, as Kubernetes sets it, and is ignored"


def _slips(environment: Mapping[str, str], prefixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    known = {definition.environment for definition in definitions()}
    for name in sorted(environment):
        if name.startswith(prefixes) and name not in known and environment[name]:
            close = [one for one in sorted(known) if is_slip(name, one)]
            if close:
                yield name, close[0]
