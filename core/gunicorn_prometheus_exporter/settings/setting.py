"""What defines a setting: one field of a dataclass, with everything that is known about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .kinds import Kind, Raw

_ENVIRONMENT: Final = "environment"


def setting(default: Any, yaml: str, environment: str, kind: Kind, help_text: str, *, also: str = "") -> Any:
    """A field whose key below ``exporter`` in YAML is ``yaml``, or ``also``: two names of one setting.

    After a change, `make reference` brings the reference page and the schema up to date.
    """
    metadata = {"yaml": yaml, "also": also, "environment": environment, "kind": kind, "help": help_text}
    return dataclasses.field(default=default, metadata=metadata, repr=not kind.secret)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was found: the variable or the key that has it, and ``file:line`` for a key."""

    name: str
    where: str = _ENVIRONMENT

    @property
    def is_variable(self) -> bool:
        return self.where == _ENVIRONMENT

    def __str__(self) -> str:
        return f"{self.name} ({self.where})"


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw value, and its place."""

    raw: Raw
    place: Place


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting's definition, as its field carries it."""

    name: str
    default: Any
    yaml: str
    also: str
    environment: str
    kind: Kind
    help: str


def definitions_of(settings: type[Any]) -> Iterator[Definition]:
    """The definitions in the dataclass ``settings``, in the order of the reference."""
    for field in dataclasses.fields(settings):
        metadata = field.metadata
        if not metadata:
            continue
        yield Definition(
            name=field.name,
            default=field.default,
            yaml=metadata["yaml"],
            also=metadata["also"],
            environment=metadata["environment"],
            kind=metadata["kind"],
            help=metadata["help"],
        )
