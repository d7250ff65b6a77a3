"""The segments of one owner, opened when they are first needed."""

from __future__ import annotations

from typing import Protocol

from .exemplars import ExemplarArea
from .journal import Journal
from .names import SegmentName
from .segment import Segment
from .slots import Slots


class Store(Protocol):
    """Where the segments of this process live."""

    @property
    def slots(self) -> Slots: ...

    def open_segment(self, name: SegmentName) -> Segment: ...

    def open_exemplars(self, owner: str) -> ExemplarArea: ...

    def open_journal(self, owner: str, cells: int) -> Journal: ...

    def discard_live(self, owner: str) -> None: ...

    def close(self) -> None: ...


class Segments:
    """The segments that ``owner`` writes in ``store``, one for each type and gauge mode."""

    def __init__(self, store: Store, owner: str) -> None:
        self.owner = owner
        self._store = store
        self._open: dict[tuple[str, str], Segment] = {}
        self._exemplars: ExemplarArea | None = None

    def get(self, kind: str, mode: str = "") -> Segment:
        """The segment of metrics of type ``kind``; ``mode`` is a gauge's multiprocess mode. Raises OSError."""
        segment = self._open.get((kind, mode))
        if segment is None:
            segment = self._store.open_segment(SegmentName(kind, mode, self.owner))
            self._open[kind, mode] = segment
        return segment

    def exemplars(self) -> ExemplarArea:
        """Where exemplars are kept. Raises OSError."""
        if self._exemplars is None:
            self._exemplars = self._store.open_exemplars(self.owner)
        return self._exemplars

    def disown(self) -> None:
        """In a forked child: what it writes here goes nowhere, be it by code of its parent's that goes on in it."""
        for segment in self._open.values():
            segment.disown()
        if self._exemplars is not None:
            self._exemplars.disown()

    def close(self) -> None:
        for segment in self._open.values():
            segment.close()
