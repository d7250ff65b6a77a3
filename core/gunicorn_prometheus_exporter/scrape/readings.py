"""What segments say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from ..storage.names import SegmentName
from .entries import Key


@dataclass(frozen=True, eq=False)
class Layout:
    """Which series a segment holds, in the order of the values of its readings.

    Segments with the same series share one layout, so what is worked out for a layout can be kept by its identity.
    """

    keys: tuple[Key, ...]

    @cached_property
    def series(self) -> frozenset[Key]:
        return frozenset(self.keys)


class Reading:
    """What one segment said. ``timestamps`` (Unix seconds) only where the newest value counts, else empty.

    Nobody changes one: who is given the same reading again is given the same values.
    """

    __slots__ = ("_timestamps", "_values", "layout", "name")

    def __init__(
        self, name: SegmentName, layout: Layout, values: tuple[float, ...], timestamps: tuple[float, ...] = ()
    ) -> None:
        self.name = name
        self.layout = layout
        self._values = values
        self._timestamps = timestamps

    @property
    def values(self) -> tuple[float, ...]:
        return self._values

    @property
    def timestamps(self) -> tuple[float, ...]:
        return self._timestamps


@dataclass(frozen=True, slots=True)
class Readings:
    """What all segments said, sorted by type, mode and owner; how many could not be read; bytes in use."""

    readings: list[Reading]
    unreadable: int
    size: int


@runtime_checkable
class ReadingSource(Protocol):
    """A place that gives at once what its segments say, because it keeps them in another form."""

    def readings(self) -> Readings:
        """What they say now. Called once for each scrape. Raises nothing."""


def holds_newest(name: SegmentName) -> bool:
    """Whether the most recent value counts in segments of this type and mode, so that time stamps matter."""
    return name.kind in {"info", "stateset"} or name.mode.endswith("mostrecent")
