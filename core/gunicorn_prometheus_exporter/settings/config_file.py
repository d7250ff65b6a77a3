"""Gunicorn's configuration file, as seen from what it calls."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FrameType, ModuleType
from typing import Final

_MODULE: Final = "__config__"


def configuration_file() -> ModuleType | None:
    """The configuration file that Gunicorn has executed last, each time as a new module. None: not in Gunicorn."""
    return sys.modules.get(_MODULE)


def is_executing() -> bool:
    """Whether the configuration file is being executed right now, and has led here."""
    module = configuration_file()
    return module is not None and any(frame.f_globals is vars(module) for frame in _bodies())


def asking() -> ModuleType | None:
    """The configuration file, if it is its own lines that have led here.

    A module that it imports runs only once, however often Gunicorn executes the file itself.
    """
    module = configuration_file()
    innermost = next(_bodies(), None)
    return module if module is not None and innermost is not None and innermost.f_globals is vars(module) else None


def reloading() -> bool:
    """Whether a running Gunicorn is reading its configuration again."""
    arbiter = sys.modules.get("gunicorn.arbiter")
    if arbiter is None:
        return False
    code: CodeType = arbiter.Arbiter.reload.__code__
    return any(frame.f_code is code for frame in _frames())


def _bodies() -> Iterator[FrameType]:
    """The modules that are being executed, the innermost first."""
    return (frame for frame in _frames() if frame.f_code.co_name == "<module>")


def _frames() -> list[FrameType]:
    frames, frame = list[FrameType](), sys._getframe(1).f_back
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames
