"""A segment: named doubles in a memory map that grows, in prometheus_client's multiprocess format.

Layout: a 4-byte count of used bytes, 4 bytes of padding, then entries of a 4-byte key length, the key as UTF-8
JSON padded with blanks to a multiple of eight, the value and its timestamp as doubles. Entries never move, and
the count is written last, so a reader sees whole entries only and a killed writer leaves none half done.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator

INITIAL_SIZE = 1 << 16
_HEADER = 8
_int32 = struct.Struct("i")

DEFAULT_LIMIT = 64 << 20


class SegmentCorruptError(Exception):
    """The bytes of a segment are not what a writer leaves behind."""


class SegmentFullError(Exception):
    """The segment has reached its limit of bytes and takes no new key."""


class Segment:
    """The one writer of a segment. Threads may add keys at the same time; a value is its user's to guard.

    ``cells`` is the whole map as doubles; the value of a key is ``cells[index(key)]``, its timestamp (Unix
    seconds, or 0.0) the double behind it. When the segment grows, ``cells`` is a new and longer view, and the
    older views stay valid: all of them show the same memory.

    Takes over ``fd`` (a file, or anonymous shared memory) and closes it. In memory that holds others too, this one
    begins at byte ``base``, a multiple of the page size, and has ``size`` bytes so far. Raises SegmentCorruptError if
    it holds something else than a segment, OSError if there is no room for it.
    """

    def __init__(self, fd: int, *, base: int = 0, size: int | None = None, limit: int = DEFAULT_LIMIT) -> None:
        self._fd = fd
        self._base = base
        self._limit = limit
        self._positions: dict[str, int] = {}
        self._adding = threading.Lock()
        self._bytes: mmap.mmap | bytearray
        self.cells: memoryview[float]
        try:
            self._map(max(os.fstat(fd).st_size if size is None else size, INITIAL_SIZE))
            self._used = int(_int32.unpack_from(self._bytes, 0)[0])
            if self._used == 0:
                self._set_used(_HEADER)
            else:
                self._positions.update(self._scan())
        except BaseException:
            self.close()
            raise

    def index(self, key: str) -> int:
        """Where the value of ``key`` is in ``cells``; a new key starts at 0.0. Raises SegmentFullError."""
        position = self._positions.get(key)
        if position is None:
            with self._adding:
                position = self._positions.get(key)
                if position is None:
                    position = self._append(key)
        return position

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._positions))

    def read_value(self, key: str) -> tuple[float, float]:
        """The value and timestamp of ``key``, which is created if it is new."""
        index = self.index(key)
        return self.cells[index], self.cells[index + 1]

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        index = self.index(key)
        self.cells[index] = value
        self.cells[index + 1] = timestamp

    def read_all_values(self) -> Iterator[tuple[str, float, float]]:
        """Every key with its value and timestamp, oldest key first."""
        for key, index in tuple(self._positions.items()):
            yield key, self.cells[index], self.cells[index + 1]

    def close(self) -> None:
        """Stop adding keys. Values can still be written through views handed out before."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def disown(self) -> None:
        """In a forked child that is not the writer: whatever is written from now on goes nowhere."""
        self.close()
        self._adding = threading.Lock()
        self._bytes = bytearray(len(self._bytes))
        self.cells = memoryview(self._bytes)[: len(self._bytes) // 8 * 8].cast("d")

    def __del__(self) -> None:
        self.close()

    def _append(self, key: str) -> int:
        encoded = key.encode("utf-8", "replace")
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entry = _int32.pack(len(encoded)) + padded + bytes(16)
        end = self._used + len(entry)
        if end > len(self._bytes):
            self._grow(end)
        self._bytes[self._used : end] = entry
        self._set_used(end)
        position = (end - 16) // 8
        self._positions[key] = position
        return position

    def _grow(self, needed: int) -> None:
        if needed > self._limit or self._fd < 0:
            raise SegmentFullError(f"segment is limited to {self._limit} bytes")
        size = len(self._bytes)
        while size < needed:
            size *= 2
        self._map(min(size, max(self._limit, needed)))

    def _map(self, size: int) -> None:
        # The blocks are reserved here: a write to a mapped hole on a full disk would be a SIGBUS, not an error.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, self._base, size)
        else:
            os.ftruncate(self._fd, self._base + size)
        self._bytes = mmap.mmap(self._fd, size, offset=self._base)
        self.cells = memoryview(self._bytes)[: size - size % 8].cast("d")

    def _set_used(self, used: int) -> None:
        self._bytes[0:4] = _int32.pack(used)
        self._used = used

    def _scan(self) -> Iterator[tuple[str, int]]:
        data, used = self._bytes, self._used
        if not _HEADER <= used <= len(data) or used % 8:
            raise SegmentCorruptError(f"used length {used} in a segment of {len(data)} bytes")
        position = _HEADER
        while position < used:
            length = _int32.unpack_from(data, position)[0]
            value = position + 4 + length + (8 - (length + 4) % 8)
            if length < 0 or value + 16 > used:
                raise SegmentCorruptError(f"entry at byte {position} does not fit")
            key = data[position + 4 : position + 4 + length]
            try:
                # A reader takes a segment with one key that is none for corrupt, so nobody would see what is added.
                json.loads(key)
                yield key.decode(), value // 8
            except (ValueError, RecursionError) as error:
                raise SegmentCorruptError(f"key at byte {position} is not JSON") from error
            position = value + 16
