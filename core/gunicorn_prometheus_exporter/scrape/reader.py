"""Reads segments, and keeps from one scrape to the next what cannot have changed: keys and where their values are."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Protocol, runtime_checkable
from weakref import WeakValueDictionary

from ..storage.names import SegmentName
from .entries import HEADER, Key, parse_key, raw_keys, used_length
from .source import Segment, UnreadableSegment

_FEWEST_TO_FORGET = 10_000
_SEGMENT_ORDER = attrgetter("name.kind", "name.mode", "name.owner")


@dataclass(frozen=True, eq=False)
class Layout:
    """Which series a segment holds, in the order of the values of its readings.

    Segments with the same series share one layout, so what is worked out for a layout can be kept by its identity.
    """

    keys: tuple[Key, ...]

    @cached_property
    def series(self) -> frozenset[Key]:
        return frozenset(self.keys)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one segment said. ``timestamps`` (Unix seconds) only where the newest value counts, else empty."""

    name: SegmentName
    layout: Layout
    values: tuple[float, ...]
    timestamps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """What all segments said, sorted by type, mode and owner; how many could not be read; bytes in use."""

    readings: list[Reading]
    unreadable: int
    size: int


@runtime_checkable
class ReadingSource(Protocol):
    """A place that gives at once what its segments say, because it keeps them in another form."""

    def readings(self) -> Readings:
        """What they say now. Called once for each scrape. Raises nothing."""


class _Packing:
    """Where the values of a layout are in the bytes of those segments that got their entries in the same order."""

    def __init__(self, keys: tuple[Key, ...], layout: Layout, *, timed: bool) -> None:
        doubles = "dd" if timed else "d8x"
        packed = struct.Struct("=8x" + "".join([f"{key.distance}x{doubles}" for key in keys]))
        self.keys = keys
        self.layout = layout
        self.end = packed.size
        self.last_entry = slice(self.end - 16 - keys[-1].distance, self.end - 16)
        self._unpack = packed.unpack_from
        self._timed = timed
        self._reorder = None if keys == layout.keys else _order(keys, layout.keys)

    def reading(self, name: SegmentName, data: bytes) -> Reading:
        numbers = self._unpack(data)
        values, timestamps = (numbers[::2], numbers[1::2]) if self._timed else (numbers, ())
        if self._reorder is None:
            return Reading(name, self.layout, values, timestamps)
        return Reading(name, self.layout, self._reorder(values), self._reorder(timestamps) if self._timed else ())


@dataclass(slots=True)
class _Known:
    """What the last scrape learned of a segment: no packing and no reading if it was empty or not sound."""

    identity: Hashable
    data: bytes
    sound: bool = False
    packing: _Packing | None = None
    reading: Reading | None = None


class Reader:
    """Turns segments into readings, whatever they contain. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[SegmentName, _Known] = {}
        self._keys: dict[str, dict[bytes, Key]] = {}
        self._packings: WeakValueDictionary[tuple[bool, tuple[Key, ...]], _Packing] = WeakValueDictionary()
        self._layouts: WeakValueDictionary[tuple[str, int], Layout] = WeakValueDictionary()
        self._abandoned = 0

    def read(self, segments: Iterable[Segment]) -> Readings:
        """Read those of ``segments`` that are alive, and forget all others."""
        before, self._known = self._known, {}
        result = []
        unreadable = size = 0
        for segment in segments:
            if not segment.alive:
                continue
            try:
                data = bytes(segment.read())
            except FileNotFoundError:
                continue
            except (OSError, UnreadableSegment):
                unreadable += 1
                continue
            known = self._known[segment.name] = self._learn(segment, data, before.get(segment.name))
            unreadable += not known.sound
            size += len(data) if known.packing is None else known.packing.end
            if known.reading is not None:
                result.append(known.reading)
        self._forget(before)
        result.sort(key=_SEGMENT_ORDER)
        return Readings(result, unreadable, size)

    def _learn(self, segment: Segment, data: bytes, before: _Known | None) -> _Known:
        if before is not None and before.identity != segment.identity:
            before = None
        if before is not None and before.data == data:
            return before
        known = _Known(segment.identity, data)
        try:
            known.packing = self._packing(segment.name, data, before)
        except UnreadableSegment:
            return known
        known.sound = True
        if known.packing is not None:
            known.reading = known.packing.reading(segment.name, data)
        return known

    def _packing(self, name: SegmentName, data: bytes, before: _Known | None) -> _Packing | None:
        used = used_length(data)
        old = _continued(before, data, used)
        if used <= HEADER or (old is not None and old.end == used):
            return old
        if old is None:
            keys = self._parsed(name.kind, raw_keys(data, HEADER, used))
        else:
            keys = old.keys + self._parsed(name.kind, raw_keys(data, old.end, used))
        timed = holds_newest(name)
        packing = self._packings.get((timed, keys))
        if packing is None:
            packing = self._packings[timed, keys] = _Packing(keys, self._layout(name.kind, keys), timed=timed)
        return packing

    def _layout(self, kind: str, keys: tuple[Key, ...]) -> Layout:
        """The layout of another segment with the same series in whatever order, or else a new one."""
        layout = self._layouts.get((kind, len(keys)))
        if layout is None or len(layout.series) != len(keys) or layout.series != frozenset(keys):
            layout = self._layouts[kind, len(keys)] = Layout(keys)
        return layout

    def _parsed(self, kind: str, raw: list[bytes]) -> tuple[Key, ...]:
        """Each different key is parsed once for all segments of a type. None is kept of a segment that is not sound."""
        known = self._keys.setdefault(kind, {})
        unknown = set(raw).difference(known)
        if unknown:
            known.update({key: parse_key(kind, key) for key in unknown})
        return tuple(map(known.__getitem__, raw))

    def _forget(self, before: dict[SegmentName, _Known]) -> None:
        """Start anew once more keys were left behind by vanished segments than are in use: a bound on memory."""
        for name, old in before.items():
            known = self._known.get(name)
            if old.packing is not None and not _extends(None if known is None else known.packing, old.packing):
                self._abandoned += len(old.packing.keys)
        in_use = sum(len(known.packing.keys) for known in self._known.values() if known.packing is not None)
        if self._abandoned > max(_FEWEST_TO_FORGET, in_use):
            self._abandoned = 0
            self._known = {}
            self._keys = {}


def holds_newest(name: SegmentName) -> bool:
    """Whether the most recent value counts in segments of this type and mode, so that time stamps matter."""
    return name.kind in {"info", "stateset"} or name.mode.endswith("mostrecent")


def _continued(before: _Known | None, data: bytes, used: int) -> _Packing | None:
    """The packing known before, if its entries are still where they were.

    Segments only grow, so the last known entry tells; it would not be there if somebody had emptied the segment.
    """
    if before is None or before.packing is None or used < before.packing.end:
        return None
    last = before.packing.last_entry
    return before.packing if data[last] == before.data[last] else None


def _extends(new: _Packing | None, old: _Packing) -> bool:
    return new is not None and (new is old or new.keys[: len(old.keys)] == old.keys)


def _order(keys: tuple[Key, ...], wanted: tuple[Key, ...]) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    """What brings values that belong to ``keys`` into the order of ``wanted``, which are the same, and not just one."""
    position = dict(zip(keys, range(len(keys)), strict=True))
    return itemgetter(*[position[key] for key in wanted])
