"""Packed segments as readings. What cannot have changed since the last time is kept: key lists, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Final
from weakref import WeakValueDictionary

from ..scrape.entries import Key, parse_key
from ..scrape.modes import is_by_owner
from ..scrape.readings import Layout, Reading, holds_newest
from ..scrape.source import UnreadableSegment
from ..storage.names import Origin, SegmentName
from .layout import PackedValues, is_transient, parse_segment_field, unpack_keys, unpack_values

_FEWEST_TO_FORGET: Final = 10_000

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class KeyList:
    """The parsed keys of a segment, of one generation."""

    generation: int
    keys: tuple[Key, ...]

    def serves(self, packed: PackedValues) -> bool:
        """Whether the values are those of the first of these keys."""
        return self.generation == packed.generation and len(packed.values) <= len(self.keys)


class _Packing:
    """The layout of values in some order of keys, and what brings them into its order."""

    __slots__ = ("__weakref__", "_layout", "_reorder", "keys")

    def __init__(self, keys: tuple[Key, ...], layout: Layout) -> None:
        self.keys = keys
        self._layout = layout
        self._reorder: Callable[[Numbers], Numbers] | None = None
        if keys != layout.keys and len(keys) > 1:
            position = {key: index for index, key in enumerate(keys)}
            self._reorder = itemgetter(*[position[key] for key in layout.keys])

    def reading(self, name: SegmentName, packed: PackedValues) -> Reading:
        if self._reorder is None:
            return Reading(name, self._layout, packed.values, packed.timestamps)
        timestamps = self._reorder(packed.timestamps) if packed.timestamps else ()
        return Reading(name, self._layout, self._reorder(packed.values), timestamps)


class KeyLists:
    """Parses key lists. Each key is parsed once, and segments with the same series share a layout."""

    def __init__(self) -> None:
        self._parsed: dict[str, dict[bytes, Key]] = {}
        self._layouts: WeakValueDictionary[tuple[str, frozenset[Key]], Layout] = WeakValueDictionary()
        self._packings: WeakValueDictionary[tuple[str, tuple[Key, ...]], _Packing] = WeakValueDictionary()

    def parse(self, kind: str, packed: bytes) -> KeyList:
        """The key list of a segment of this kind. Raises UnreadableSegment."""
        raw = unpack_keys(packed)
        known = self._parsed.setdefault(kind, {})
        unknown = set(raw.keys).difference(known)
        if unknown:
            known.update({key: parse_key(kind, key) for key in unknown})
        keys = tuple(map(known.__getitem__, raw.keys))
        if len(set(keys)) != len(keys):
            raise UnreadableSegment("a key is there twice")
        return KeyList(raw.generation, keys)

    def packing(self, kind: str, keys: tuple[Key, ...]) -> _Packing:
        """How values of ``keys`` become those of a layout."""
        packing = self._packings.get((kind, keys))
        if packing is None:
            series = frozenset(keys)
            layout = self._layouts.get((kind, series))
            if layout is None:
                layout = self._layouts[kind, series] = Layout(keys)
            packing = self._packings[kind, keys] = _Packing(keys, layout)
        return packing

    def forget(self, in_use: Iterable[KeyList]) -> None:
        """Let go of keys that are not in use any more, once they are many."""
        kept = {key for keys in in_use for key in keys.keys}
        if sum(map(len, self._parsed.values())) > 2 * len(kept) + _FEWEST_TO_FORGET:
            self._parsed = {
                kind: {raw: key for raw, key in known.items() if key in kept} for kind, known in self._parsed.items()
            }


@dataclass(slots=True)
class _Segment:
    name: SegmentName
    packed: bytes = b""
    values: PackedValues | None = None
    keys: KeyList | None = None
    packing: _Packing | None = None
    reading: Reading | None = None

    def take(self, packed: bytes) -> None:
        """Take new values; None if they are unsound."""
        if packed == self.packed:
            return
        self.packed = packed
        self.values = self.reading = None
        try:
            values = unpack_values(packed)
        except UnreadableSegment:
            return
        if len(values.timestamps) == (len(values.values) if holds_newest(self.name) else 0):
            self.values = values

    @property
    def lacks_keys(self) -> bool:
        if self.values is None or not self.values.values:
            return False
        return self.keys is None or not self.keys.serves(self.values)


class Shelf:
    """The segments of one source or total, which ``field`` of the index stands for.

    ``instance`` is its label ``instance_id``, if it is to have one (``by_instance``).
    """

    def __init__(self, lists: KeyLists, field: str, instance: str, *, by_instance: bool) -> None:
        label = (("instance_id", instance),)
        self._lists = lists
        self._origin = Origin(field, label if by_instance else ())
        # A worker in slot 1 of one instance is not that of another.
        self._origin_by_owner = Origin(field, label)
        self._segments: dict[bytes, _Segment] = {}
        self._foreign = 0

    def put(self, fields: Mapping[bytes, bytes], *, alive: bool) -> list[bytes]:
        """Take ``fields``, a hash of values, in place of all there was: what needs a living source, only if ``alive``.

        Returns the fields whose key list must be learnt for it.
        """
        before, self._segments = self._segments, {}
        self._foreign = 0
        for field, packed in fields.items():
            segment = before.get(field) or self._new_segment(field)
            if segment is None:
                self._foreign += 1
            elif alive or not is_transient(segment.name):
                segment.take(packed)
                self._segments[field] = segment
        return [field for field, segment in self._segments.items() if segment.lacks_keys]

    def learn(self, field: bytes, packed_keys: bytes | None) -> bool:
        """Take the key list of a segment, or that there is none. Returns whether it fits the values."""
        segment = self._segments[field]
        segment.keys = None
        if packed_keys is not None:
            with suppress(UnreadableSegment):
                segment.keys = self._lists.parse(segment.name.kind, packed_keys)
        return not segment.lacks_keys

    def readings(self) -> list[Reading]:
        """What the sound segments say."""
        return [reading for reading in map(self._reading, self._segments.values()) if reading is not None]

    @property
    def unreadable(self) -> int:
        """How many fields are none of ours, or damaged, or have no key list that fits."""
        unsound = sum(segment.values is None or segment.lacks_keys for segment in self._segments.values())
        return self._foreign + unsound

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return sum(len(segment.packed) for segment in self._segments.values())

    @property
    def key_lists(self) -> list[KeyList]:
        return [segment.keys for segment in self._segments.values() if segment.keys is not None]

    def _new_segment(self, field: bytes) -> _Segment | None:
        name = parse_segment_field(field.decode("ascii", "replace"))
        if name is None:
            return None
        origin = self._origin_by_owner if is_by_owner(name) else self._origin
        return _Segment(SegmentName(name.kind, name.mode, name.owner, origin))

    def _reading(self, segment: _Segment) -> Reading | None:
        packed, keys = segment.values, segment.keys
        if packed is None or not packed.values or keys is None or segment.lacks_keys:
            return None
        if segment.reading is None:
            wanted = keys.keys[: len(packed.values)]
            if segment.packing is None or segment.packing.keys != wanted:
                segment.packing = self._lists.packing(segment.name.kind, wanted)
            segment.reading = segment.packing.reading(segment.name, packed)
        return segment.reading
