"""The last exemplar of each bucket, in a map of fixed size that the master, or a sidecar, can read.

Layout: records of 512 bytes: value, time (Unix seconds), trace (16 bytes), span (8 bytes), a checksum of these and the
key, the length of the bucket's key, and the key as in a segment. Records are used from the first one on; when all are
in use, the next bucket gets the one that has been in use for longest. A reader may come, or the worker die, in the
middle of a write: then the checksum is wrong, and the record does not count until its next write.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

RECORDS: Final = 1024
_RECORD_BYTES: Final = 512
SIZE: Final = RECORDS * _RECORD_BYTES
"""Bytes of an area: half a megabyte."""

_head = struct.Struct("=dd16s8sII")
_observed = struct.Struct("=dd16s8s")
_LONGEST_KEY: Final = _RECORD_BYTES - _head.size


class Trace(NamedTuple):
    """What W3C's ``traceparent`` calls trace-id and parent-id, as bytes."""

    trace: bytes
    span: bytes


class Exemplar(NamedTuple):
    """An observation of which the trace is known. ``key`` is that of the bucket; ``time`` is Unix time in seconds."""

    key: bytes
    value: float
    time: float
    trace: Trace


class ExemplarArea:
    """The exemplars that one worker writes, for one thread at a time. Takes over ``fd`` and closes it.

    In memory that holds others too, the area begins at byte ``base``, a multiple of the page size. Raises OSError.
    """

    def __init__(self, fd: int, *, base: int = 0) -> None:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, base, SIZE)
            elif os.fstat(fd).st_size < base + SIZE:
                os.ftruncate(fd, base + SIZE)
            self._bytes: mmap.mmap | bytearray = mmap.mmap(fd, SIZE, offset=base)
        finally:
            os.close(fd)
        self._records: dict[bytes, int] = {}

    def put(self, key: bytes, value: float, time: float, trace: Trace) -> None:
        """The last observation in the bucket ``key``. A key of more than 464 bytes is passed over."""
        start = self._records.get(key)
        if start is None:
            if len(key) > _LONGEST_KEY:
                return
            start = self._take(key)
        observed = _observed.pack(value, time, *trace)
        _head.pack_into(self._bytes, start, value, time, *trace, crc32(observed, crc32(key)), len(key))

    def disown(self) -> None:
        """In a forked child: whatever is written from now on goes nowhere."""
        self._bytes = bytearray(SIZE)

    def _take(self, key: bytes) -> int:
        start = len(self._records) * _RECORD_BYTES
        if len(self._records) == RECORDS:
            start = self._records.pop(next(iter(self._records)))
        self._bytes[start + _head.size : start + _head.size + len(key)] = key
        self._records[key] = start
        return start


def exemplars_in(data: bytes) -> Iterator[Exemplar]:
    """What an area says, without records that are not whole."""
    for start in range(0, len(data) - _RECORD_BYTES + 1, _RECORD_BYTES):
        value, time, trace, span, checksum, length = _head.unpack_from(data, start)
        if not length:
            return
        key = data[start + _head.size : start + _head.size + min(length, _LONGEST_KEY)]
        if crc32(data[start : start + _observed.size], crc32(key)) == checksum:
            yield Exemplar(key, value, time, Trace(trace, span))
