"""The memory store: all segments of a master and its workers in one piece of shared memory that has no name.

The master makes it before its first fork, so every process has it, and it is gone with the last of them. It is one
sparse memory file, and each segment has a place of its own in it, fixed by who owns it and of which type it is; what is
not used takes no memory. In front is a table that tells which places are in use.

Layout: a page with a magic number and the incarnation; then for each number *n* a row of 64 words of four bytes; from
byte `_PLACES` on the places. A row's first word is 1 once an owner of that number was there. Then come 16 words for
each of the owners ``n``, ``m<n>`` and ``s<n>``, one for each type of segment: 0 if it was never opened, else its
generation. A generation's segment is in a place of its own, because who still writes to an older one, which has been
discarded, must not write into it. The last of the 16 words is how many cells the owner's journal has. The word behind
all of these is 1 once there are exemplars of ``n``.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import secrets
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from .byte_locks import is_byte_locked, try_lock_byte
from .exemplars import SIZE as EXEMPLARS_SIZE
from .exemplars import ExemplarArea
from .journal import Journal, journal_cells
from .names import SegmentName
from .segment import DEFAULT_LIMIT, INITIAL_SIZE, Segment, SegmentCorruptError
from .slots import MAX_SLOTS, Slots

_MAGIC: Final = b"gpe-mem1"
_HEADER: Final = struct.Struct("8sQ")
_ROWS: Final = 4096
_ROW_WORDS: Final = 64
_ROW_BYTES: Final = _ROW_WORDS * 4
_PLACES: Final = 2 << 20
_PLACE_BYTES: Final = DEFAULT_LIMIT
_GENERATIONS: Final = 16

_MODES: Final = (
    "all",
    "liveall",
    "max",
    "livemax",
    "min",
    "livemin",
    "sum",
    "livesum",
    "mostrecent",
    "livemostrecent",
)
_TYPES: Final = (
    ("counter", ""),
    ("histogram", ""),
    ("summary", ""),
    ("info", ""),
    ("stateset", ""),
    *(("gauge", mode) for mode in _MODES),
)
_PER_OWNER: Final = 16
_JOURNAL: Final = 15
_EXEMPLARS: Final = 49
_SETTLED: Final = 0
"""The word, of a row that no number has, whose place holds what counts elsewhere."""
_PREFIXES: Final = ("", "m", "s")
_OWNER: Final = re.compile(r"([ms]?)([1-9][0-9]{0,3})")

PUBLISHER_BYTE: Final = 0
"""The byte whose lock makes a master the one that publishes the memory: after USR2 there are two."""

OnFailure = Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment is, and which one it is by now: ``generation`` changes when it was emptied."""

    name: SegmentName
    generation: int
    offset: int


class MemoryStore:
    """Segments in the memory file ``fd``, which it takes over.

    Raises OSError if the memory is not one of this kind, or if this system lacks what it takes.
    """

    def __init__(self, fd: int, on_failure: OnFailure) -> None:
        self._fd = fd
        self._on_failure = on_failure
        header = os.pread(fd, _HEADER.size, 0)
        if len(header) < _HEADER.size or header[:8] != _MAGIC:
            raise OSError(errno.EINVAL, "the memory is not that of a master of this version")
        self._map = mmap.mmap(fd, _PLACES)
        self._table = memoryview(self._map)[_ROWS:].cast("I")
        self.slots = Slots(self)

    @property
    def incarnation(self) -> str:
        """What tells this memory from every other: 16 hexadecimal digits."""
        return f"{_HEADER.unpack_from(self._map, 0)[1]:016x}"

    def renew_incarnation(self) -> None:
        """Become another: what the memory was known as is not to be used again."""
        _HEADER.pack_into(self._map, 0, _MAGIC, secrets.randbits(64))

    def fileno(self) -> int:
        """The descriptor of the memory, for a successor."""
        return self._fd

    def try_lock(self, owner: str) -> int | None:
        """Take the lock of ``owner``; return its descriptor, or None if somebody holds it. Raises OSError."""
        row, _ = _index(owner)
        lock = try_lock_byte(self._fd, _lock_byte(owner))
        if lock is not None:
            self._open_row(row)
        return lock

    def try_lock_publisher(self) -> int | None:
        """Become the one that publishes this memory, for as long as the descriptor is open; None if there is one."""
        return try_lock_byte(self._fd, PUBLISHER_BYTE)

    def is_shared(self, owner: str) -> bool:
        """Whether another master than ``owner`` lives in the memory."""
        return any(self.is_held(f"m{number}") for number in self._numbers() if f"m{number}" != owner)

    def open_settled(self) -> Segment:
        """The share of the values that counts elsewhere for good: see `published.Published`."""
        return self._segment(_SETTLED)

    def is_held(self, owner: str) -> bool:
        """Whether ``owner`` is alive. What was sampled about a worker lives as long as the worker."""
        return is_byte_locked(self._fd, _lock_byte(owner.removeprefix("s")))

    def open_segment(self, name: SegmentName) -> Segment:
        """The segment of ``name``, with the values that an earlier owner left. Raises OSError.

        A segment that cannot be understood is replaced by an empty one, and the loss is reported.
        """
        word = _word(name)
        self._open_row(word - word % _ROW_WORDS)
        self._table[word] = self._table[word] or 1
        try:
            return self._segment(word)
        except SegmentCorruptError as error:
            self._on_failure("storage", error)
            self._renew(word)
            return self._segment(word)

    def open_journal(self, owner: str, cells: int) -> Journal:
        """The journal of worker slot ``owner`` with room for ``cells`` requests at a time. Raises OSError."""
        row, word = _index(owner)
        self._open_row(row)
        word += _JOURNAL
        self._table[word] = max(self._table[word], journal_cells(cells))
        return Journal(os.dup(self._fd), base=_offset(word, 0), cells=self._table[word])

    def open_exemplars(self, owner: str) -> ExemplarArea:
        """The exemplars of worker slot ``owner``, with those that its last worker left. Raises OSError."""
        row, _ = _index(owner)
        self._open_row(row)
        area = ExemplarArea(os.dup(self._fd), base=_offset(row + _EXEMPLARS, 0))
        self._table[row + _EXEMPLARS] = 1
        return area

    def exemplars(self) -> Iterator[bytes]:
        """What the areas say that there are. Raises OSError."""
        for number in self._numbers():
            word = number * _ROW_WORDS + _EXEMPLARS
            if self._table[word]:
                yield self.read(_offset(word, 0), EXEMPLARS_SIZE)

    def discard_live(self, owner: str) -> None:
        """Forget the values of ``owner`` that meant "alive". Only for the holder of its lock."""
        for place in self._places_of(int(owner.removeprefix("m"))):
            if (place.name.owner == owner and place.name.is_live) or place.name.owner == f"s{owner}":
                word = _word(place.name)
                if self._used(word):
                    self._renew(word)

    def places(self) -> Iterator[Place]:
        """Every segment there is."""
        for number in self._numbers():
            yield from self._places_of(number)

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on. Raises OSError."""
        return os.pread(self._fd, size, offset)

    def read_into(self, offset: int, memory: memoryview) -> int:
        """Fill ``memory`` with what there is from ``offset`` on. Returns how many bytes. Raises OSError."""
        return os.preadv(self._fd, (memory,), offset)

    def close(self) -> None:
        """Let go of the memory, which is gone with the last process that has it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _numbers(self) -> Iterator[int]:
        """Every number that had an owner. They are taken from the lowest, so the first that had none ends it."""
        for number in range(1, MAX_SLOTS + 1):
            if not self._table[number * _ROW_WORDS]:
                return
            yield number

    def _open_row(self, row: int) -> None:
        if not self._table[row]:
            # A write to a hole kills where there is no memory left.
            os.posix_fallocate(self._fd, _ROWS + row * 4, _ROW_BYTES)
            self._table[row] = 1

    def _places_of(self, number: int) -> Iterator[Place]:
        row = self._table[number * _ROW_WORDS : (number + 1) * _ROW_WORDS].tolist()
        if not any(row[1:]):
            return
        for part, prefix in enumerate(_PREFIXES):
            for kind, (type_, mode) in enumerate(_TYPES):
                index = 1 + part * _PER_OWNER + kind
                if row[index]:
                    name = SegmentName(type_, mode, f"{prefix}{number}")
                    yield Place(name, row[index], _offset(number * _ROW_WORDS + index, row[index]))

    def _segment(self, word: int) -> Segment:
        size, used = INITIAL_SIZE, min(self._used(word), _PLACE_BYTES)
        while size < used:
            size *= 2
        return Segment(os.dup(self._fd), base=_offset(word, self._table[word]), size=size, limit=_PLACE_BYTES)

    def _used(self, word: int) -> int:
        data = os.pread(self._fd, 4, _offset(word, self._table[word]))
        return abs(int.from_bytes(data, "little", signed=True))

    def _renew(self, word: int) -> None:
        """Go on in the next generation's place. Both are emptied, lest late writers of old ones fill the memory."""
        generation = self._table[word]
        self._empty(_offset(word, generation + 1))
        self._table[word] = generation + 1
        self._empty(_offset(word, generation))

    def _empty(self, offset: int) -> None:
        with mmap.mmap(self._fd, _PLACE_BYTES, offset=offset) as place:
            place.madvise(mmap.MADV_REMOVE)


def open_memory(on_failure: OnFailure) -> MemoryStore:
    """A store in new memory. Raises OSError where the system has no such memory or no such locks."""
    if not hasattr(os, "memfd_create") or not hasattr(mmap, "MADV_REMOVE"):
        raise OSError("this system has no shared memory without a name")
    fd = os.memfd_create("gunicorn-prometheus", os.MFD_CLOEXEC)
    try:
        os.posix_fallocate(fd, 0, _ROWS)
        os.ftruncate(fd, _PLACES)
        os.pwrite(fd, _HEADER.pack(_MAGIC, secrets.randbits(64)), 0)
        store = MemoryStore(fd, on_failure)
        lock = store.try_lock_publisher()
        if lock is not None:
            os.close(lock)
        last = _offset(_word(SegmentName("gauge", "livemostrecent", f"s{MAX_SLOTS}")), _GENERATIONS - 1)
        os.ftruncate(fd, last + _PLACE_BYTES)
        store._empty(last)
    except BaseException:
        os.close(fd)
        raise
    return store


def adopt_memory(fd: int, on_failure: OnFailure) -> MemoryStore | None:
    """The store in memory ``fd`` (-1 for none) that another master left, or None if it is something else."""
    with suppress(OSError):
        os.set_inheritable(fd, False)
        return MemoryStore(fd, on_failure)
    return None


def _index(owner: str) -> tuple[int, int]:
    """The first word of the row of ``owner``, and the first of its own in it. Raises OSError if it can have none."""
    match = _OWNER.fullmatch(owner)
    if match is None or int(match[2]) > MAX_SLOTS:
        raise OSError(errno.EINVAL, f"no place for owner {owner!r}")
    row = int(match[2]) * _ROW_WORDS
    return row, row + 1 + _PREFIXES.index(match[1]) * _PER_OWNER


def _word(name: SegmentName) -> int:
    try:
        return _index(name.owner)[1] + _TYPES.index((name.kind, name.mode))
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no place for {name}") from error


def _offset(word: int, generation: int) -> int:
    return _PLACES + (word * _GENERATIONS + generation % _GENERATIONS) * _PLACE_BYTES


def _lock_byte(owner: str) -> int:
    """Each number's locks are bytes of its row; that they are used for something else does not matter to a lock."""
    row, first = _index(owner)
    return _ROWS + row * 4 + (first - row)
