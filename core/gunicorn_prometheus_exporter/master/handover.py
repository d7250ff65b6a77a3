"""What an old master passes to the one that replaces it (USR2): its storage and its listening metrics port."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

_DIRECTORY: Final = "GUNICORN_PROMETHEUS_EXPORTER_DIRECTORY"
_MEMORY: Final = "GUNICORN_PROMETHEUS_EXPORTER_MEMORY"
_LISTENER: Final = "GUNICORN_PROMETHEUS_EXPORTER_LISTENER"


@dataclass(frozen=True, slots=True)
class Handover:
    """What the new master shares: a private directory, or None, and descriptors, or -1, of memory and of a socket."""

    directory: str | None = None
    listener: int = -1
    memory: int = -1


def leave(environment: MutableMapping[str, str], left: Handover) -> None:
    """In the process that is about to become the new master: leave word in the environment it will see."""
    # This master's own environment may be that of its predecessor's word, whose descriptor is something else by now.
    find(environment)
    if left.directory is not None:
        environment[_DIRECTORY] = left.directory
    for variable, descriptor in ((_LISTENER, left.listener), (_MEMORY, left.memory)):
        if descriptor >= 0:
            os.set_inheritable(descriptor, True)
            # A number alone would be believed by any Gunicorn below, where it is something else.
            environment[variable] = f"{os.getpid()}:{descriptor}"


def find(environment: MutableMapping[str, str]) -> Handover:
    """In the new master: what was left, which is taken out of the environment."""
    directory = environment.pop(_DIRECTORY, None)
    listener, memory = (environment.pop(variable, "") for variable in (_LISTENER, _MEMORY))
    return Handover(
        directory if directory and os.path.isdir(directory) else None,
        _descriptor(listener),
        _descriptor(memory),
    )


def _descriptor(word: str) -> int:
    pid, _, descriptor = word.partition(":")
    return int(descriptor) if pid == str(os.getpid()) and descriptor.isdecimal() else -1
