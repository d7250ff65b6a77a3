"""What a scrape reads from: a source of segments, wherever they are kept."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from ..storage.names import SegmentName

LARGEST_SEGMENT = 64 * 1024 * 1024
"""Bytes. A segment that claims to be larger is taken for corrupt, before memory is spent on it."""


class UnreadableSegment(Exception):
    """The bytes are not those of a whole, sound segment."""


class Segment(Protocol):
    """One segment, as one scan found it."""

    @property
    def name(self) -> SegmentName: ...

    @property
    def alive(self) -> bool:
        """False if the values mean nothing any more, because they need a living owner and it is gone."""

    @property
    def identity(self) -> Hashable:
        """Differs from that of the last scan if entries may have moved, or the whole may have been replaced."""

    def read(self) -> bytes | memoryview:
        """The whole used part, from the header on. More may follow it.

        Raises UnreadableSegment, and OSError (FileNotFoundError if it went away after the scan).
        """

    def read_into(self, memory: memoryview) -> int:
        """As much of the beginning as there is room for in ``memory``. Returns how many bytes; raises OSError."""


class SegmentSource(Protocol):
    """A place that holds segments."""

    def scan(self) -> Sequence[Segment]:
        """The segments there are now. Called for each scrape, so it reads none of them. Raises OSError."""


@runtime_checkable
class ExemplarSource(Protocol):
    """A place that holds exemplars too."""

    def exemplars(self) -> Iterable[bytes]:
        """The areas of exemplars that the last scan found: see `storage.exemplars`. Raises OSError."""
