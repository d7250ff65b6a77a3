"""Named doubles of this process that reach Redis."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .. import process
from ..settings import read_settings
from ..storage.memory import MemoryStore
from ..storage.published import PublishedDirectory
from ..storage.segment import Segment


class RedisStorageDict:
    """The values of type ``kind`` (``counter``, ``gauge``, …; for a gauge, of that multiprocess ``mode``).

    They are in the memory that this process shares with its master, or that `setup_redis_metrics` has made, and a
    publisher copies what changed to Redis once in each interval. So a write is a write to memory, whatever Redis does.
    A `StorageDictProtocol`; of all in one process those of the same kind and mode are one. Its verbs raise RuntimeError
    while nothing is published from this process, and ValueError once it is closed.
    """

    def __init__(self, kind: str, mode: str = "") -> None:
        self._kind = kind
        self._mode = mode
        self._is_closed = False

    def read_value(self, key: str) -> tuple[float, float]:
        return self._segment().read_value(key)

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        self._segment().write_value(key, value, timestamp)

    def read_all_values(self) -> Iterator[tuple[str, float, float]]:
        return self._segment().read_all_values()

    def close(self) -> None:
        """Nothing can be read or written here any more. The values stay, and stay in Redis."""
        self._is_closed = True

    def _segment(self) -> Segment:
        if self._is_closed:
            raise ValueError("the storage was closed")
        here = process.current()
        # Asked each time: in a process that was forked it is another one.
        segments = here.segments() if isinstance(here.store, MemoryStore | PublishedDirectory) else None
        if segments is None:
            raise RuntimeError(
                "nothing is published to Redis from this process: set REDIS_ENABLED, and outside of Gunicorn call "
                "setup_redis_metrics()"
            )
        return segments.get(self._kind, self._mode)


def is_redis_enabled() -> bool:
    """Whether the metrics of this process, or of a Gunicorn that is started from it, are published to Redis."""
    return (process.current().settings or read_settings(os.environ)).redis_enabled
