"""Segments in the files of a metrics directory.

Files are read with ``pread`` and never mapped: whoever truncates one must not be able to kill the reader by SIGBUS.
No descriptor stays open between scrapes.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Hashable

from gunicorn_prometheus_exporter.scrape.source import LARGEST_SEGMENT, UnreadableSegment
from gunicorn_prometheus_exporter.storage.locks import is_held
from gunicorn_prometheus_exporter.storage.names import SegmentName, lock_name, parse_segment_name

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FIRST_READ = 4096
_SETTLED_NS = 2_000_000_000
_used = struct.Struct("=i").unpack_from


class DirectorySource:
    """The segments in the directory at ``path``; there are none while it does not exist."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._segments: dict[str, DirectorySegment] = {}
        self._scans = 0

    def scan(self) -> list[DirectorySegment]:
        """The segment files there are now. Raises OSError if the directory cannot be listed."""
        try:
            generation = self._generation()
            with os.scandir(self._path) as entries:
                files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        except FileNotFoundError:
            files, generation = set(), None
        self._segments = {name: segment for name in files if (segment := self._segment(name)) is not None}
        owners: dict[str, bool] = {}
        for segment in self._segments.values():
            segment.generation = generation
            segment.alive = not _needs_owner(segment.name) or self._is_alive(segment.name.owner, files, owners)
        return list(self._segments.values())

    def _generation(self) -> Hashable:
        """Changes whenever a file was added or removed.

        A new file often gets the inode number of one just removed, so device and inode alone do not tell that
        a file was replaced. Time stamps are coarse: a directory that changed just now may change again under
        the same stamp, so until it has settled no two scans share a generation.
        """
        changed = os.stat(self._path).st_mtime_ns
        if 0 <= changed < time.time_ns() - _SETTLED_NS:
            return changed
        self._scans += 1
        return changed, self._scans

    def _segment(self, filename: str) -> DirectorySegment | None:
        known = self._segments.get(filename)
        if known is not None:
            return known
        name = parse_segment_name(filename)
        return None if name is None else DirectorySegment(os.path.join(self._path, filename), name)

    def _is_alive(self, owner: str, files: set[str], checked: dict[str, bool]) -> bool:
        lock = lock_name(owner)
        if lock not in files:
            return not _is_ours(owner)
        if lock not in checked:
            checked[lock] = is_held(os.path.join(self._path, lock))
        return checked[lock]


class DirectorySegment:
    """One segment file."""

    def __init__(self, path: str, name: SegmentName) -> None:
        self.name = name
        self.alive = True
        self.generation: Hashable = None
        self.identity: Hashable = None
        self._path = path
        self._likely = _FIRST_READ

    def read(self) -> bytes:
        fd = os.open(self._path, _FLAGS)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableSegment("not a regular file")
            data = os.pread(fd, self._likely, 0)
            used: int = _used(data)[0] if len(data) >= 4 else 0
            if used > LARGEST_SEGMENT:
                raise UnreadableSegment(f"{used} bytes")
            if used > len(data):
                data += os.pread(fd, used - len(data), len(data))
        finally:
            os.close(fd)
        self.identity = (status.st_dev, status.st_ino, self.generation)
        self._likely = max(used, _FIRST_READ)
        return data


def _needs_owner(name: SegmentName) -> bool:
    return name.is_live or _is_sampled(name.owner)


def _is_sampled(owner: str) -> bool:
    return owner[:1] == "s" and owner[1:].isdecimal()


def _is_ours(owner: str) -> bool:
    """Whether only the exporter names owners so. A plain number may also be the process id of a foreign process."""
    return owner[:1] in {"s", "m"} and owner[1:].isdecimal()
