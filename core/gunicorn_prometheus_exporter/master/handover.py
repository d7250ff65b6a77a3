"""What an old master passes to the one that replaces it (USR2): its directory and its listening metrics port."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

_DIRECTORY: Final = "GUNICORN_PROMETHEUS_EXPORTER_DIRECTORY"
_LISTENER: Final = "GUNICORN_PROMETHEUS_EXPORTER_LISTENER"


@dataclass(frozen=True, slots=True)
class Handover:
    """A private directory that the new master shares, or None, and the descriptor of the listening socket, or -1."""

    directory: str | None
    listener: int


def leave(environment: MutableMapping[str, str], directory: str | None, listener: int) -> None:
    """In the process that is about to become the new master: leave word in the environment it will see."""
    # This master's own environment may be that of its predecessor's word, whose descriptor is something else by now.
    find(environment)
    if directory is not None:
        environment[_DIRECTORY] = directory
    if listener >= 0:
        os.set_inheritable(listener, True)
        environment[_LISTENER] = str(listener)


def find(environment: MutableMapping[str, str]) -> Handover:
    """In the new master: what was left, which is taken out of the environment."""
    directory = environment.pop(_DIRECTORY, None)
    listener = environment.pop(_LISTENER, "")
    return Handover(
        directory if directory and os.path.isdir(directory) else None, int(listener) if listener.isdecimal() else -1
    )
