"""Reads segments, and keeps from one scrape to the next what cannot have changed: keys and where their values are."""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from weakref import WeakValueDictionary

from gunicorn_prometheus_exporter.scrape.entries import (
    HEADER,
    Key,
    distance_to_value,
    parse_key,
    raw_keys,
    used_length,
)
from gunicorn_prometheus_exporter.scrape.source import Segment, UnreadableSegment
from gunicorn_prometheus_exporter.storage.names import SegmentName

_FEWEST_TO_FORGET = 10_000
_SEGMENT_ORDER = attrgetter("name.kind", "name.mode", "name.owner")


@dataclass(frozen=True, eq=False)
class Layout:
    """Which series a segment holds, in the order of its values.

    Segments with the same entries share one layout, so what is worked out for a layout can be kept by its identity.
    """

    keys: tuple[Key, ...]


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


class _PackedLayout(Layout):
    """A layout that knows where its values are: so many bytes from the start of their entries."""

    def __init__(self, keys: tuple[Key, ...], distances: tuple[int, ...], *, timed: bool) -> None:
        super().__init__(keys)
        doubles = "dd" if timed else "d8x"
        packed = struct.Struct("=8x" + "".join([f"{distance}x{doubles}" for distance in distances]))
        self._unpack = packed.unpack_from
        self._timed = timed
        self.distances = distances
        self.end = packed.size
        self.last_entry = slice(self.end - 16 - distances[-1], self.end - 16)

    def reading(self, name: SegmentName, data: bytes) -> Reading:
        numbers = self._unpack(data)
        if self._timed:
            return Reading(name, self, numbers[::2], numbers[1::2])
        return Reading(name, self, numbers)


@dataclass(slots=True)
class _Known:
    """What the last scrape learned of a segment: no layout if it was empty or not sound."""

    identity: Hashable
    data: bytes
    sound: bool = False
    layout: _PackedLayout | None = None
    reading: Reading | None = None


class Reader:
    """Turns segments into readings, whatever they contain. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[SegmentName, _Known] = {}
        self._keys: dict[str, dict[bytes, Key]] = {}
        self._layouts: WeakValueDictionary[tuple[bool, tuple[Key, ...]], _PackedLayout] = WeakValueDictionary()
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
            size += len(data)
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
            known.layout = self._layout(segment.name, data, before)
        except UnreadableSegment:
            return known
        known.sound = True
        if known.layout is not None:
            known.reading = known.layout.reading(segment.name, data)
        return known

    def _layout(self, name: SegmentName, data: bytes, before: _Known | None) -> _PackedLayout | None:
        used = used_length(data)
        old = _continued(before, data, used)
        if used <= HEADER or (old is not None and old.end == used):
            return old
        raw = raw_keys(data, old.end if old is not None else HEADER, used)
        keys = self._parsed(name.kind, raw)
        distances = tuple(map(distance_to_value, raw))
        if old is not None:
            keys, distances = old.keys + keys, old.distances + distances
        timed = holds_newest(name)
        layout = self._layouts.get((timed, keys))
        if layout is None:
            layout = self._layouts[timed, keys] = _PackedLayout(keys, distances, timed=timed)
        return layout

    def _parsed(self, kind: str, raw: list[bytes]) -> tuple[Key, ...]:
        """Each different key is parsed once for all segments of a type. None is kept of a segment that is not sound."""
        known = self._keys.setdefault(kind, {})
        unknown = {key: parse_key(kind, key) for key in raw if key not in known}
        known.update(unknown)
        return tuple([known[key] for key in raw])

    def _forget(self, before: dict[SegmentName, _Known]) -> None:
        """Start anew once more keys were left behind by vanished segments than are in use: a bound on memory."""
        for name, old in before.items():
            known = self._known.get(name)
            if old.layout is not None and _replaced(old.layout, None if known is None else known.layout):
                self._abandoned += len(old.layout.keys)
        in_use = sum(len(known.layout.keys) for known in self._known.values() if known.layout is not None)
        if self._abandoned > max(_FEWEST_TO_FORGET, in_use):
            self._abandoned = 0
            self._known = {}
            self._keys = {}


def holds_newest(name: SegmentName) -> bool:
    """Whether the most recent value counts in segments of this type and mode, so that time stamps matter."""
    return name.kind in {"info", "stateset"} or name.mode.endswith("mostrecent")


def _continued(before: _Known | None, data: bytes, used: int) -> _PackedLayout | None:
    """The layout known before, if its entries are still where they were.

    Segments only grow, so the last known entry tells; it would not be there if somebody had emptied the segment.
    """
    if before is None or before.layout is None or used < before.layout.end:
        return None
    last = before.layout.last_entry
    return before.layout if data[last] == before.data[last] else None


def _replaced(old: Layout, new: Layout | None) -> bool:
    return new is None or (new is not old and new.keys[: len(old.keys)] != old.keys)
