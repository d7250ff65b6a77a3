"""Putting something around a method of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def wrap(instance: Any, name: str, around: Callable[..., Any]) -> None:
    """Make ``instance.name(...)`` call ``around(method, ...)``. The class keeps its own method."""
    method = getattr(instance, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        return around(method, *arguments, **named)

    setattr(instance, name, wrapped)
