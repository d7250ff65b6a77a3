"""What a source or a total holds, taken apart to be added to another one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..scrape.readings import holds_newest
from ..scrape.source import UnreadableSegment
from ..storage.names import SegmentName
from .layout import (
    META,
    is_transient,
    pack_keys,
    pack_values,
    parse_segment_field,
    segment_field,
    unpack_keys,
    unpack_values,
)

Entry = tuple[float, float]
"""A value and its time stamp, 0.0 where none is kept."""

_ADDED: Final = frozenset({"counter", "histogram", "summary"})
_LASTING_MODES: Final = frozenset({"sum", "min", "max", "mostrecent"})
_META: Final = META.encode()


def outlasts_its_source(name: SegmentName) -> bool:
    """Whether the values still mean something when their source is gone: counts do, and gauges that are merged.

    What tells the state of one process, or what it is, goes with it.
    """
    if is_transient(name):
        return False
    return name.kind in _ADDED or name.mode in _LASTING_MODES


@dataclass(slots=True)
class Segment:
    """The entries of one segment by key, oldest first, and the generation of its key list."""

    generation: int
    entries: dict[bytes, Entry]


@dataclass(slots=True)
class Contents:
    """Segments by name. ``unreadable`` fields were left out. ``grown`` and ``changed`` since they were read."""

    segments: dict[SegmentName, Segment] = field(default_factory=dict)
    unreadable: int = 0
    changed: set[SegmentName] = field(default_factory=set)
    grown: set[SegmentName] = field(default_factory=set)

    @classmethod
    def unpack(cls, values: Mapping[bytes, bytes], keys: Mapping[bytes, bytes]) -> Contents:
        """What the two hashes of a source or total hold."""
        contents = cls()
        for name_field, packed in values.items():
            if name_field == _META:
                continue
            name = parse_segment_field(name_field.decode("ascii", "replace"))
            try:
                if name is None:
                    raise UnreadableSegment("not the name of a segment")
                contents.segments[name] = _unpack(name, packed, keys.get(name_field))
            except UnreadableSegment:
                contents.unreadable += 1
        return contents

    @property
    def series(self) -> int:
        return sum(len(segment.entries) for segment in self.segments.values())

    def add(self, gone: Contents, *, most_series: int) -> int:
        """Add what outlasts ``gone``, as a scrape would merge it. Returns how many series did not fit any more."""
        room = most_series - self.series
        dropped = 0
        for name, segment in gone.segments.items():
            if not outlasts_its_source(name) or not segment.entries:
                continue
            mine = self.segments.setdefault(name, Segment(secrets.randbits(64), {}))
            self.changed.add(name)
            for key, entry in segment.entries.items():
                before = mine.entries.get(key)
                if before is not None:
                    mine.entries[key] = _merged(name, before, entry)
                elif room > 0:
                    room -= 1
                    mine.entries[key] = entry
                    self.grown.add(name)
                else:
                    dropped += 1
        return dropped

    def packed_values(self) -> dict[str, bytes]:
        """The fields of the hash of values that have changed."""
        return {segment_field(name): _pack(name, self.segments[name]) for name in self.changed}

    def packed_keys(self) -> dict[str, bytes]:
        """The fields of the hash of keys that have changed."""
        return {
            segment_field(name): pack_keys(self.segments[name].generation, list(self.segments[name].entries))
            for name in self.grown
        }


def _unpack(name: SegmentName, packed: bytes, packed_keys: bytes | None) -> Segment:
    values = unpack_values(packed)
    if not values.values:
        return Segment(values.generation, {})
    if packed_keys is None:
        raise UnreadableSegment("no key list")
    keys = unpack_keys(packed_keys)
    if keys.generation != values.generation or len(keys.keys) < len(values.values):
        raise UnreadableSegment("another segment's key list")
    timestamps = values.timestamps or (0.0,) * len(values.values)
    if bool(values.timestamps) != holds_newest(name):
        raise UnreadableSegment("time stamps where there are none, or none where they are")
    return Segment(values.generation, dict(zip(keys.keys, zip(values.values, timestamps, strict=True), strict=False)))


def _pack(name: SegmentName, segment: Segment) -> bytes:
    values = [value for value, _ in segment.entries.values()]
    timestamps = [timestamp for _, timestamp in segment.entries.values()]
    return pack_values(segment.generation, values, timestamps if holds_newest(name) else None)


def _merged(name: SegmentName, mine: Entry, gone: Entry) -> Entry:
    if name.kind != "gauge" or name.mode == "sum":
        return mine[0] + gone[0], 0.0
    if holds_newest(name):
        return max(mine, gone, key=lambda entry: entry[1])
    # A value that is not a number is one that was never set.
    values = [value for value, _ in (mine, gone) if value == value]
    choose = min if name.mode == "min" else max
    return (choose(values) if values else mine[0]), 0.0
