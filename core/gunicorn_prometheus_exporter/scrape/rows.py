"""Segments in memory, one behind the other, so that what many of them say can be added up where it is."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import itemgetter

from ..storage.names import SegmentName
from .entries import HEADER, Key
from .readings import Layout, Reading

Numbers = tuple[float, ...]


class Packing:
    """Where the values of a layout are in the bytes of those segments that got their entries in the same order."""

    def __init__(self, keys: tuple[Key, ...], layout: Layout, *, timed: bool) -> None:
        doubles = "dd" if timed else "d8x"
        distances = [key.distance for key in keys]
        entries = {distance: f"{distance}x{doubles}" for distance in set(distances)}
        packed = struct.Struct(f"{HEADER}x" + "".join(map(entries.__getitem__, distances)))
        self.keys = keys
        self.layout = layout
        self.end = packed.size
        self.used = struct.pack("=i", self.end)
        self.last_key = slice(self.end - 16 - distances[-1], self.end - 16)
        self._unpack = packed.unpack_from
        self._timed = timed
        self._in_order = None if keys == layout.keys else itemgetter(*_order(keys, layout.keys))

    def numbers(self, data: bytes | memoryview, start: int = 0) -> tuple[Numbers, Numbers]:
        """Values and time stamps of the segment that starts there, in the order of the layout."""
        numbers: Numbers = self._unpack(data, start)
        values, timestamps = (numbers[::2], numbers[1::2]) if self._timed else (numbers, ())
        if self._in_order is None:
            return values, timestamps
        return self._in_order(values), self._in_order(timestamps) if self._timed else ()

    @cached_property
    def columns(self) -> list[slice]:
        """For each series of the layout, which of the doubles are its values, where segments follow each other."""
        ends = accumulate([key.distance + 16 for key in self.keys], initial=HEADER)
        places = [(end + key.distance) // 8 for end, key in zip(ends, self.keys, strict=False)]
        ordered = places if self._in_order is None else self._in_order(places)
        return [slice(place, None, self.end // 8) for place in ordered]


class Block:
    """The memory that the segments of one packing are read into, scrape after scrape.

    A series is a column in it, whose sum takes no object for each value: those cost more than all the rest of a scrape.
    """

    def __init__(self, packing: Packing, names: Sequence[SegmentName]) -> None:
        self.packing = packing
        self.names = names
        self.memory = memoryview(bytearray(len(names) * packing.end))
        self._doubles = self.memory.cast("d")

    def places(self) -> Iterator[Place]:
        """One for each segment."""
        for start in range(0, len(self.memory), self.packing.end):
            yield Place(self, start, self.memory[start : start + self.packing.end])

    def sums(self) -> list[float]:
        """For each series of the layout, what all segments say together."""
        doubles = self._doubles
        return [sum(doubles[column]) for column in self.packing.columns]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a segment is in a block."""

    block: Block
    start: int
    memory: memoryview

    def numbers(self) -> tuple[Numbers, Numbers]:
        """Values and time stamps, in the order of the layout."""
        return self.block.packing.numbers(self.block.memory, self.start)


class Row(Reading):
    """What a segment in a block says, until it is read again."""

    __slots__ = ("place",)

    def __init__(self, name: SegmentName, place: Place) -> None:
        self.name = name
        self.layout = place.block.packing.layout
        self.place = place

    @property
    def values(self) -> Numbers:
        return self.place.numbers()[0]

    @property
    def timestamps(self) -> Numbers:
        return self.place.numbers()[1]


def whole_block(readings: Sequence[Reading]) -> Block | None:
    """The block that ``readings`` are, if they are all rows of one and none is missing."""
    blocks = {reading.place.block if isinstance(reading, Row) else None for reading in readings}
    block = blocks.pop()
    return block if not blocks and block is not None and len(block.names) == len(readings) else None


def _order(keys: tuple[Key, ...], wanted: tuple[Key, ...]) -> list[int]:
    """What brings values that belong to ``keys`` into the order of ``wanted``, which are the same, and not just one."""
    position = dict(zip(keys, range(len(keys)), strict=True))
    return [position[key] for key in wanted]
