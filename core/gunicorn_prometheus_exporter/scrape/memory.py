"""Segments in the memory of a master."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..storage.memory import MemoryStore, Place
from ..storage.names import SegmentName
from .source import LARGEST_SEGMENT, UnreadableSegment

_used = struct.Struct("=i").unpack_from


class MemorySource:
    """The segments in the memory of ``store``. Read, and never mapped, as those in files are."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def scan(self) -> list[MemorySegment]:
        """The segments there are now. Raises OSError if the memory is gone."""
        owners: dict[str, bool] = {}
        return [MemorySegment(self._store, place, self._is_alive(place.name, owners)) for place in self._store.places()]

    def exemplars(self) -> Iterator[bytes]:
        """The areas of exemplars. Raises OSError."""
        return self._store.exemplars()

    def _is_alive(self, name: SegmentName, checked: dict[str, bool]) -> bool:
        if not name.is_live and name.owner[0] != "s":
            return True
        if name.owner not in checked:
            checked[name.owner] = self._store.is_held(name.owner)
        return checked[name.owner]


class MemorySegment:
    """One segment."""

    def __init__(self, store: MemoryStore, place: Place, alive: bool) -> None:
        self.name = place.name
        self.identity = place.generation
        self.alive = alive
        self._store = store
        self._offset = place.offset

    def read(self) -> bytes:
        used: int = _used(self._store.read(self._offset, 4))[0]
        if not 0 <= used <= LARGEST_SEGMENT:
            raise UnreadableSegment(f"{used} bytes")
        return self._store.read(self._offset, max(used, 8))

    def read_into(self, memory: memoryview) -> int:
        return self._store.read_into(self._offset, memory)
