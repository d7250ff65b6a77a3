"""Reads segments, and keeps from one scrape to the next what cannot have changed: keys and where their values are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from weakref import WeakValueDictionary

from ..storage.names import SegmentName
from .entries import HEADER, Key, parse_key, raw_keys, used_length
from .readings import Layout, Reading, Readings, holds_newest
from .rows import Block, Packing, Place, Row
from .source import Segment, UnreadableSegment

_FEWEST_TO_FORGET = 10_000
_SEGMENT_ORDER = attrgetter("name.kind", "name.mode", "name.owner")


@dataclass(slots=True)
class _Known:
    """What the last scrape learned of a segment, which was empty if there is no packing.

    ``place`` is where it is read to, if it has been given one. Of one that is not sound, ``damaged`` is all of it.
    """

    identity: Hashable
    size: int
    packing: Packing | None = None
    last_key: bytes = b""
    place: Place | None = None
    damaged: bytes | None = None


class Reader:
    """Turns segments into readings, whatever they contain. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[SegmentName, _Known] = {}
        self._keys: dict[str, dict[bytes, Key]] = {}
        self._packings: WeakValueDictionary[tuple[bool, tuple[Key, ...]], Packing] = WeakValueDictionary()
        self._layouts: WeakValueDictionary[tuple[str, int], Layout] = WeakValueDictionary()
        self._abandoned = 0
        self._misplaced = False

    def read(self, segments: Iterable[Segment]) -> Readings:
        """Read those of ``segments`` that are alive, and forget all others. Good until the next time."""
        if self._misplaced:
            self._place()
        before, self._known = self._known, {}
        result = []
        unreadable = size = 0
        for segment in segments:
            if not segment.alive:
                continue
            known = before.get(segment.name)
            try:
                reading: Reading | None = None if known is None else _read_again(segment, known)
                if known is None or reading is None:
                    known, reading = self._learn(segment, known)
            except FileNotFoundError:
                continue
            except (OSError, UnreadableSegment):
                unreadable += 1
                continue
            self._known[segment.name] = known
            unreadable += known.damaged is not None
            size += known.size
            if reading is not None:
                result.append(reading)
        self._misplaced = self._misplaced or self._known.keys() != before.keys()
        self._forget(before)
        result.sort(key=_SEGMENT_ORDER)
        return Readings(result, unreadable, size)

    def _learn(self, segment: Segment, before: _Known | None) -> tuple[_Known, Reading | None]:
        data = bytes(segment.read())
        if before is not None and before.identity != segment.identity:
            before = None
        if before is not None and before.damaged == data:
            return before, None
        try:
            packing = self._packing(segment.name, data, before)
        except UnreadableSegment:
            return _Known(segment.identity, len(data), damaged=data), None
        if packing is None:
            return _Known(segment.identity, len(data)), None
        self._misplaced = True
        known = _Known(segment.identity, packing.end, packing, data[packing.last_key])
        return known, Reading(segment.name, packing.layout, *packing.numbers(data))

    def _place(self) -> None:
        """Give all segments of a packing a place in one block, in the order of their readings."""
        groups: defaultdict[Packing, list[SegmentName]] = defaultdict(list)
        for name in sorted(self._known):
            packing = self._known[name].packing
            if packing is not None:
                groups[packing].append(name)
        for packing, names in groups.items():
            place = self._known[names[0]].place
            if place is None or place.block.names != names:
                for name, place in zip(names, Block(packing, names).places(), strict=True):
                    self._known[name].place = place
        self._misplaced = False

    def _packing(self, name: SegmentName, data: bytes, before: _Known | None) -> Packing | None:
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
            packing = self._packings[timed, keys] = Packing(keys, self._layout(name.kind, keys), timed=timed)
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
        try:
            return tuple(map(known.__getitem__, raw))
        except KeyError:
            unknown = set(raw).difference(known)
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


def _read_again(segment: Segment, known: _Known) -> Row | None:
    """Read a segment to its place. None if it has none, is another, or has other entries now."""
    place, packing = known.place, known.packing
    if place is None or packing is None or known.identity != segment.identity:
        return None
    memory = place.memory
    if segment.read_into(memory) < packing.end or memory[:4] != packing.used:
        return None
    return Row(segment.name, place) if memory[packing.last_key] == known.last_key else None


def _continued(before: _Known | None, data: bytes, used: int) -> Packing | None:
    """The packing known before, if its entries are still where they were.

    Segments only grow, so the last known entry tells; it would not be there if somebody had emptied the segment.
    """
    if before is None or before.packing is None or used < before.packing.end:
        return None
    return before.packing if data[before.packing.last_key] == before.last_key else None


def _extends(new: Packing | None, old: Packing) -> bool:
    return new is not None and (new is old or new.keys[: len(old.keys)] == old.keys)
