"""What a user is told about settings that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

MASK: Final = "***"
_LONGEST: Final = 80
# A URL may have come where none belongs.
_USER_INFO: Final = re.compile(r"//[^/@\s]*@")


class SettingsError(RuntimeError):
    """Settings that cannot be used. ``problems`` holds one line for each: key, value, what is allowed, and where.

    Gunicorn prints a RuntimeError at start as one message and exits with status 1.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("gunicorn-prometheus-exporter cannot use its settings:\n  " + "\n  ".join(self.problems))


def written(value: Any) -> str:
    """A setting's ``value`` as it would be written in the environment, "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={written(one)}" for name, one in value.items())
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):
        host, port = value
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple) and isinstance(value[0][1], str):
        return written(dict(value))
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    return str(value)


def shown(value: Any, *, secret: bool = False) -> str:
    """``value`` as it is quoted to a user: in one line, no longer than that, and masked if it is ``secret``."""
    if secret:
        return MASK
    text = _USER_INFO.sub(f"//{MASK}@", repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
