"""The journal: what a worker is doing right now, readable after it is dead.

A request is counted when its last byte is out. A worker that is killed before that would take the request with
it, so every request in progress has a cell in a shared map, cleared in the same breath in which it is counted.
Whoever takes the slot next counts what it finds.

Layout: a header of 64 words, of which the first four are the worker's process id, phase, when that phase began
(Unix time) and how long it has been busy, then cells of 32 words of eight bytes each: status, start, method, the
endpoint as UTF-8, and its length. A status of 0 is a free cell, 1 a request without a response yet, else the
response's status code. Start is a reading of ``time.monotonic()``, which on Linux is one clock for all processes.
"""

from __future__ import annotations

import enum
import math
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_WORD = 8
_HEADER_WORDS = 64
_CELL_WORDS = 32
_ENDPOINT_WORDS = _CELL_WORDS - 4
_ENDPOINT_BYTES = _ENDPOINT_WORDS * _WORD
_MAX_CELLS = 4096
_PID_WORD, _PHASE_WORD, _SINCE_WORD = 0, 1, 2

BUSY_WORD = 3
"""A double: the worker's busy seconds so far. While it is busy, those seconds less the time at which that began, which
is negative: so one read of one word, which cannot be torn, tells everything to another process."""

FREE = 0
NO_RESPONSE_YET = 1
_LAST_STATUS = 999


Cell = tuple[int, int, int, int, int]
"""Where the status of one request is, its start, its method and the length of its endpoint, as words, and where its
endpoint begins, in bytes.

A plain tuple, since taking one apart costs less than an addition; a named one would cost ten times as much.
"""

# In this order: a length is there only when its endpoint is.
_endpoint = struct.Struct(f"={_ENDPOINT_BYTES}sQ")


def cell_at(first: int) -> Cell:
    """The cell that begins at the word ``first``."""
    return first, first + 1, first + 2, first + 3 + _ENDPOINT_WORDS, (first + 3) * _WORD


SCRATCH_CELL: Final = cell_at(32)
"""Where a request writes when all cells are taken: in the header, where nobody reads it."""


class Phase(enum.IntEnum):
    """What a worker is about, in the order in which it goes through them."""

    BOOTING = 0
    RUNNING = 1
    QUITTING = 2
    ABORTING = 3


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request that its worker did not live to count. ``status`` is 0 if no response was started."""

    method: str
    endpoint: str
    status: int
    start: float


def encoded_method(method: str) -> int:
    """``method`` as one journal word. Methods of more than eight bytes are cut."""
    return int.from_bytes(method.encode("ascii", "replace")[:_WORD].ljust(_WORD, b"\0"), "little")


def journal_cells(wanted: int) -> int:
    """How many cells a journal has that is asked to have ``wanted``."""
    return min(max(wanted, 1), _MAX_CELLS)


class Journal:
    """The cells of one worker slot. Takes over ``fd`` and closes it.

    A file keeps the cells it has; in memory that holds more than the journal, it begins at byte ``base``, a multiple
    of the page size, and has ``cells``. ``words`` and ``doubles`` are two views of the same map; ``free`` holds the
    free cells.
    """

    def __init__(self, fd: int, *, cells: int, base: int = 0) -> None:
        cells = journal_cells(cells)
        size = (_HEADER_WORDS + cells * _CELL_WORDS) * _WORD
        try:
            if base == 0:
                size = max(size, os.fstat(fd).st_size // _WORD * _WORD)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, base, size)
            else:
                os.ftruncate(fd, base + size)
            self._bytes: mmap.mmap | bytearray = mmap.mmap(fd, size, offset=base)
        finally:
            os.close(fd)
        self.words: memoryview[int] = memoryview(self._bytes).cast("Q")
        self.doubles: memoryview[float] = memoryview(self._bytes).cast("d")
        # The lowest cell is used first, so that an idle worker of many connections touches one page.
        firsts = range(_HEADER_WORDS, _HEADER_WORDS + cells * _CELL_WORDS, _CELL_WORDS)
        self.free = [cell_at(first) for first in reversed(firsts)]

    def disown(self) -> None:
        """In a forked child of the worker's: whatever is written from now on goes nowhere."""
        self._bytes = bytearray(len(self._bytes))
        self.words = memoryview(self._bytes).cast("Q")
        self.doubles = memoryview(self._bytes).cast("d")

    def enter(self, phase: Phase) -> None:
        """The worker that owns the journal is now in ``phase``."""
        self.doubles[_SINCE_WORD] = time.time()
        self.words[_PHASE_WORD] = phase
        self.words[_PID_WORD] = os.getpid()

    def pid(self) -> int:
        """The process that last entered a phase, 0 if none ever did."""
        return self.words[_PID_WORD]

    def phase(self) -> tuple[Phase, float]:
        """The worker's phase, and the Unix time at which it began."""
        code = self.words[_PHASE_WORD]
        return Phase(code if code <= Phase.ABORTING else Phase.BOOTING), self.doubles[_SINCE_WORD]

    def busy(self) -> bool:
        """Whether a request is in progress."""
        return next(self.unfinished(), None) is not None

    def busy_seconds(self) -> tuple[float, bool]:
        """How long the worker has been busy up to now, and whether it is."""
        seconds = self.doubles[BUSY_WORD]
        return (seconds, False) if seconds >= 0.0 else (max(seconds + time.monotonic(), 0.0), True)

    def set_endpoint(self, cell: Cell, endpoint: bytes) -> None:
        """Name the ``endpoint``, in UTF-8, of the request in ``cell``. Longer than 224 bytes, it is cut."""
        _endpoint.pack_into(self._bytes, cell[4], endpoint, len(endpoint))

    def unfinished(self) -> Iterator[Unfinished]:
        """The requests whose cells are not free. A cell that no worker can have left like that is passed over."""
        last = len(self.words) - _CELL_WORDS
        for first in range(_HEADER_WORDS, last + 1, _CELL_WORDS):
            status_word, start_word, method_word, length_word, start = cell_at(first)
            status, began = self.words[status_word], self.doubles[start_word]
            if status == FREE or status > _LAST_STATUS or not math.isfinite(began):
                continue
            length = min(self.words[length_word], _ENDPOINT_BYTES)
            yield Unfinished(
                method=self.words[method_word].to_bytes(_WORD, "little").rstrip(b"\0").decode("ascii", "replace"),
                endpoint=self._bytes[start : start + length].decode("utf-8", "replace"),
                status=status if status > NO_RESPONSE_YET else 0,
                start=began,
            )

    def clear(self) -> None:
        """Free every cell. For the new owner of a slot, when it has counted what was unfinished."""
        self.doubles[BUSY_WORD] = 0.0
        for cell in range(_HEADER_WORDS, len(self.words) - _CELL_WORDS + 1, _CELL_WORDS):
            self.words[cell] = FREE
