"""Segments in the files of a metrics directory.

Files are read and never mapped: whoever truncates one must not be able to kill the reader by SIGBUS.
No descriptor stays open between scrapes.
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Hashable, Iterator
from contextlib import suppress

from ..storage.exemplars import SIZE as EXEMPLARS_SIZE
from ..storage.locks import is_held
from ..storage.names import SegmentName, exemplars_name, lock_name, parse_segment_name
from .source import LARGEST_SEGMENT, UnreadableSegment

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_EXEMPLARS = re.compile(re.escape(exemplars_name("N")).replace("N", "[0-9]+"))
_FIRST_READ = 4096
_SETTLED_NS = 2_000_000_000
_used = struct.Struct("=i").unpack_from


class DirectorySource:
    """The segments in the directory at ``path``; there are none while it does not exist."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._generation: Hashable = None
        self._files: frozenset[str] = frozenset()
        self._segments: dict[str, DirectorySegment] = {}
        self._scans = 0

    def scan(self) -> list[DirectorySegment]:
        """The segment files there are now. Raises OSError if the directory cannot be listed."""
        generation = self._current_generation()
        if generation != self._generation:
            self._list(generation)
        owners: dict[str, bool] = {}
        segments = list(self._segments.values())
        for segment in segments:
            segment.alive = not segment.needs_owner or self._is_alive(segment.name.owner, owners)
        return segments

    def exemplars(self) -> Iterator[bytes]:
        """The areas of exemplars that the last `scan` found. Raises OSError."""
        for filename in self._files:
            if _EXEMPLARS.fullmatch(filename):
                with suppress(FileNotFoundError):
                    fd = os.open(os.path.join(self._path, filename), _FLAGS)
                    try:
                        yield os.pread(fd, EXEMPLARS_SIZE, 0)
                    finally:
                        os.close(fd)

    def _current_generation(self) -> Hashable:
        """Changes whenever a file is added, removed or replaced. None if there is no directory.

        Device and inode would not tell, since a new file often gets the inode of one just removed. Time stamps are
        coarse: a directory that changed just now may change again under the same stamp, so until it has settled
        no two scans share a generation.
        """
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        if status.st_mtime_ns < time.time_ns() - _SETTLED_NS:
            return status.st_dev, status.st_ino, status.st_mtime_ns
        self._scans += 1
        return self._scans

    def _list(self, generation: Hashable) -> None:
        known, self._segments, self._files = self._segments, {}, frozenset()
        self._generation = None
        if generation is not None:
            with os.scandir(self._path) as entries:
                self._files = frozenset([entry.name for entry in entries if entry.is_file(follow_symlinks=False)])
        for filename in self._files:
            name = parse_segment_name(filename)
            if name is not None:
                segment = known.get(filename) or DirectorySegment(os.path.join(self._path, filename), name)
                segment.identity = generation
                self._segments[filename] = segment
        self._generation = generation

    def _is_alive(self, owner: str, checked: dict[str, bool]) -> bool:
        lock = lock_name(owner)
        if lock not in self._files:
            return not _is_ours(owner)
        if lock not in checked:
            checked[lock] = is_held(os.path.join(self._path, lock))
        return checked[lock]


class DirectorySegment:
    """One segment file."""

    def __init__(self, path: str, name: SegmentName) -> None:
        self.name = name
        self.needs_owner = name.is_live or (name.owner[0] == "s" and _is_ours(name.owner))
        self.alive = True
        self.identity: Hashable = None
        self._path = path
        self._likely = _FIRST_READ

    def read(self) -> bytes:
        fd = os.open(self._path, _FLAGS)
        try:
            data = os.pread(fd, self._likely, 0)
            used: int = _used(data)[0] if len(data) >= 4 else 0
            if used > LARGEST_SEGMENT:
                raise UnreadableSegment(f"{used} bytes")
            if used > len(data):
                data += os.pread(fd, used - len(data), len(data))
        finally:
            os.close(fd)
        self._likely = max(used, _FIRST_READ)
        return data

    def read_into(self, memory: memoryview) -> int:
        fd = os.open(self._path, _FLAGS)
        try:
            return os.readv(fd, (memory,))
        finally:
            os.close(fd)


def _is_ours(owner: str) -> bool:
    """Whether only the exporter names owners so. A plain number may also be the process id of a foreign process."""
    return owner[:1] in {"s", "m"} and owner[1:].isdecimal()
