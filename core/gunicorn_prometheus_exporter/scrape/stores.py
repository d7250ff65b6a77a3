"""What a store's segments are read from."""

from __future__ import annotations

from ..storage.files import FileStore
from ..storage.memory import MemoryStore
from ..storage.segments import Store
from .directory import DirectorySource
from .memory import MemorySource
from .source import SegmentSource


def source_of(store: Store) -> SegmentSource:
    """A source of the segments in ``store``. Raises TypeError for a store that nobody here knows how to read."""
    if isinstance(store, MemoryStore):
        return MemorySource(store)
    if isinstance(store, FileStore):
        return DirectorySource(store.directory)
    raise TypeError(f"no way to read the segments of a {type(store).__name__}")
