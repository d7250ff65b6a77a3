"""What is where in Redis, version 1 of the layout: the names of keys, and how values are packed.

A *source* is what one memory map of a master counts: an instance, which has a name that lasts, and an incarnation,
which does not. A *total* holds what sources that are gone have counted: of an instance on a node (*carried*), of a node
or of the whole fleet (*retired*). Counts only ever move on, from a source to the carried total of its instance, to the
retired total of its node, to that of the fleet.

All keys of an instance have one hash tag, so they are in one slot of a Redis Cluster. No key is ever looked for by
pattern: the hash at `Keys.index` names everything there is, so one prefix never sees another's.
"""

from __future__ import annotations

import json
import re
import secrets
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

from ..scrape.source import LARGEST_SEGMENT, UnreadableSegment
from ..storage.names import SegmentName, parse_segment_name

VERSION: Final = 1
META: Final = "meta"
"""The field of a total's hash of values that holds no segment but its `TotalMeta`."""

_INCARNATION: Final = re.compile(r"[0-9a-f]{16}")
_SAMPLED: Final = re.compile(r"s[0-9]+")
_CARRIED: Final = "carried"
_RETIRED: Final = "retired"
_VALUES_MAGIC: Final = b"gv"
_KEYS_MAGIC: Final = b"gk"
_TIMED: Final = 1
# Magic, version, flags, number of entries, generation; then a checksum of all that and of what follows.
_header: Final = struct.Struct("<2sBBIQ")
_checksum: Final = struct.Struct("<I")
_START: Final = _header.size + _checksum.size


def new_incarnation() -> str:
    """A random id of 64 bits, for a memory map or for a total."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Source:
    """One incarnation of an instance."""

    instance: str
    incarnation: str

    @property
    def field(self) -> str:
        """The field of this source in the index."""
        return f"{_quoted(self.instance)}/{self.incarnation}"


@dataclass(frozen=True, slots=True)
class Total:
    """Where the counts of sources that are gone are added up: of an instance on a node, of a node, of the fleet.

    ``""`` is any instance, or no known node; the fleet has neither.
    """

    instance: str = ""
    node: str = ""

    @property
    def field(self) -> str:
        """The field of this total in the index. The fleet's is always there, and has none."""
        if self.instance:
            return f"{_quoted(self.instance)}/{_quoted(self.node)}/{_CARRIED}"
        return f"{_quoted(self.node)}/{_RETIRED}"

    @property
    def next(self) -> Total:
        """Where these counts go next."""
        return Total(node=self.node) if self.instance else FLEET


FLEET: Final = Total()


def parse_field(field: str) -> Source | Total | None:
    """What a field of the index stands for, None if that is nothing."""
    match field.split("/"):
        case [instance, node, kind] if instance and kind == _CARRIED:
            return Total(unquote(instance), unquote(node))
        case [node, kind] if node and kind == _RETIRED:
            return Total(node=unquote(node))
        case [instance, incarnation] if instance and _INCARNATION.fullmatch(incarnation):
            return Source(unquote(instance), incarnation)
    return None


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """The keys of one source.

    ``values`` and ``keys`` are hashes with a field for each segment. ``alive`` expires when the source has not been
    heard of for the TTL. ``seq`` is its publisher's last sequence number, until that ends. ``gone`` exists once the
    source was retired: from then on its values count elsewhere, and what they were is in ``final_values`` and
    ``final_keys`` for a while, unless its publisher had ended.
    """

    values: str
    keys: str
    alive: str
    seq: str
    gone: str
    final_values: str
    final_keys: str


@dataclass(frozen=True, slots=True)
class TotalKeys:
    """The keys of one total, hashes with a field for each segment; that of ``values`` has one more, `META`."""

    values: str
    keys: str


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._start = f"{quote(prefix, safe=':/')}:v{VERSION}:"
        self.index: Final = f"{self._start}sources"
        """A hash: the field of each source and total that there is, to its `SourceInfo`."""
        self.lease: Final = f"{self._start}retiring"

    def source(self, source: Source) -> SourceKeys:
        start = f"{self._start}{{{_quoted(source.instance)}}}:{source.incarnation}:"
        return SourceKeys(
            start + "values",
            start + "keys",
            start + "alive",
            start + "seq",
            start + "gone",
            start + "final:values",
            start + "final:keys",
        )

    def total(self, total: Total) -> TotalKeys:
        node = f"/{_quoted(total.node)}" if total.node else ""
        if total.instance:
            start = f"{self._start}{{{_quoted(total.instance)}}}:{_CARRIED}{node}:"
        else:
            start = f"{self._start}{{{_RETIRED}{node}}}:"
        return TotalKeys(start + "values", start + "keys")


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What the index says about a source or a total. ``started`` is in Unix seconds."""

    node: str = ""
    host: str = ""
    started: float = 0.0
    version: str = ""

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: bytes) -> SourceInfo | None:
        """None if ``text`` is nothing that `encode` gave."""
        match _mapping(text):
            case {"node": str(node), "host": str(host), "started": int() | float() as started, "version": str(version)}:
                return cls(node, host, float(started), version)
        return None


@dataclass(frozen=True, slots=True)
class TotalMeta:
    """What a total says about itself, changed together with its values.

    ``token`` is its own id. ``at`` is when something was last added, by Redis' clock, in Unix seconds. A ``frozen``
    total is on its way into the next one and takes nothing more. ``folded`` are the ids of what was added of late
    (incarnations, or tokens of totals), and when: a reader that has found those elsewhere leaves them out there.
    ``dropped`` is how many series did not fit any more.
    """

    token: str
    at: float = 0.0
    frozen: bool = False
    folded: Mapping[str, float] = field(default_factory=dict)
    dropped: int = 0

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: bytes) -> TotalMeta:
        """Raises UnreadableSegment."""
        match _mapping(text):
            case {
                "token": str(token),
                "at": int() | float() as at,
                "frozen": bool(frozen),
                "folded": dict(folded),
                "dropped": int(dropped),
            } if all(isinstance(when, int | float) for when in folded.values()):
                return cls(token, float(at), frozen, folded, dropped)
        raise UnreadableSegment("a total does not say what it is")


def segment_field(name: SegmentName) -> str:
    """The field of a segment: ``counter_1``, ``gauge_livesum_m1``."""
    return name.filename.rpartition(".")[0]


def parse_segment_field(field: str) -> SegmentName | None:
    """The segment that ``field`` names, None if it names none."""
    return parse_segment_name(f"{field}.db") or parse_segment_name(f"{field}.state")


def is_transient(name: SegmentName) -> bool:
    """Whether the values mean nothing once the source is not alive."""
    return name.is_live or _SAMPLED.fullmatch(name.owner) is not None


@dataclass(frozen=True, slots=True)
class PackedValues:
    """The values of a segment. ``timestamps`` are as many, or none if this type of segment has none.

    They belong to the first keys of the key list of the same ``generation``, in its order.
    """

    generation: int
    values: tuple[float, ...]
    timestamps: tuple[float, ...] = ()


def pack_values(generation: int, values: Sequence[float], timestamps: Sequence[float] | None = None) -> bytes:
    """A segment's values for Redis. With ``timestamps`` exactly where the newest value counts (`holds_newest`).

    ``generation`` (64 bits) stays the same as long as keys are only added to the segment, at its end.
    """
    payload = struct.pack(f"<{len(values)}d", *values)
    if timestamps is not None:
        payload += struct.pack(f"<{len(values)}d", *timestamps)
    flags = 0 if timestamps is None else _TIMED
    return _seal(_header.pack(_VALUES_MAGIC, VERSION, flags, len(values), generation), payload)


def unpack_values(packed: bytes) -> PackedValues:
    """The reverse of `pack_values`. Raises UnreadableSegment for anything that it did not give."""
    flags, count, generation = _check(packed, _VALUES_MAGIC)
    doubles = 2 * count if flags & _TIMED else count
    if len(packed) != _START + 8 * doubles:
        raise UnreadableSegment(f"{len(packed)} bytes for {count} values")
    numbers = struct.unpack_from(f"<{doubles}d", packed, _START)
    return PackedValues(generation, numbers[:count], numbers[count:])


@dataclass(frozen=True, slots=True)
class PackedKeys:
    """The keys of a segment, as its entries have them: JSON texts."""

    generation: int
    keys: list[bytes]


def pack_keys(generation: int, keys: Sequence[bytes]) -> bytes:
    """A segment's key list for Redis."""
    # In JSON a raw line break can only be blank space between two words.
    payload = zlib.compress(b"\n".join([key.replace(b"\n", b" ") for key in keys]), 1)
    return _seal(_header.pack(_KEYS_MAGIC, VERSION, 0, len(keys), generation), payload)


def unpack_keys(packed: bytes) -> PackedKeys:
    """The reverse of `pack_keys`. Raises UnreadableSegment for anything that it did not give."""
    _, count, generation = _check(packed, _KEYS_MAGIC)
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(packed[_START:], LARGEST_SEGMENT)
    except zlib.error as error:
        raise UnreadableSegment("a key list that does not unpack") from error
    keys = text.split(b"\n") if count else []
    if not inflate.eof or len(keys) != count:
        raise UnreadableSegment(f"a key list that has not {count} keys")
    return PackedKeys(generation, keys)


def _seal(header: bytes, payload: bytes) -> bytes:
    return header + _checksum.pack(zlib.crc32(payload, zlib.crc32(header))) + payload


def _check(packed: bytes, magic: bytes) -> tuple[int, int, int]:
    """The flags, the number of entries and the generation in the header. Raises UnreadableSegment."""
    if len(packed) < _START or packed[:2] != magic:
        raise UnreadableSegment("not a value of this exporter")
    _, version, flags, count, generation = _header.unpack_from(packed)
    if version != VERSION:
        raise UnreadableSegment(f"version {version} of the layout")
    view = memoryview(packed)
    if zlib.crc32(view[_START:], zlib.crc32(view[: _header.size])) != _checksum.unpack_from(packed, _header.size)[0]:
        raise UnreadableSegment("a value that was damaged")
    return flags, count, generation


def _mapping(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _quoted(name: str) -> str:
    """``name`` without what delimits names in keys and fields: slashes, colons, and the braces of a hash tag."""
    return quote(name, safe="")
