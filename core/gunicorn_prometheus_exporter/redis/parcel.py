"""A segment on its way to Redis: what it holds now, and what Redis has of it already."""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Hashable, Iterator, Mapping

from ..scrape.entries import HEADER, distance_to_value, raw_keys, used_length
from ..scrape.readings import holds_newest
from ..storage.names import SegmentName
from .layout import is_transient, pack_keys, pack_values, segment_field, unpack_values

_NOTHING = struct.Struct("")


def settled_key(field: str, key: bytes) -> str:
    """Under which name a store has what counts elsewhere of the value ``key`` in the segment ``field``."""
    return f"[{json.dumps(field)}, {key.decode('utf-8', 'replace')}]"


class Parcel:
    """The segment ``name``. ``settled`` tells what of its values counts elsewhere already, which is taken off."""

    def __init__(self, name: SegmentName, settled: Mapping[str, float]) -> None:
        self.field = segment_field(name)
        self.is_transient = is_transient(name)
        self._timed = holds_newest(name)
        self._settled = settled
        self._data = b""
        self._identity: Hashable = None
        self._known: tuple[bytes, tuple[int, int]] | None = None
        self._confirmed = b""
        self._start()

    def fill(self, data: bytes, identity: Hashable) -> None:
        """Take the segment's bytes as they are now. Raises UnreadableSegment, and then is what it was before."""
        if data == self._data and identity == self._identity:
            return
        used = max(used_length(data), HEADER)
        if identity != self._identity or used != self._used:
            old, keys = raw_keys(self._data, HEADER, self._used), raw_keys(data, HEADER, used)
            if keys[: len(old)] != old:
                self._start()
            self._learn(keys, used)
        self._data, self._identity = data, identity
        self._pack()

    @property
    def is_empty(self) -> bool:
        return self._used <= HEADER

    @property
    def is_known(self) -> bool:
        """Whether Redis has a value of this segment, if perhaps an older one."""
        return self._known is not None

    @property
    def new_values(self) -> bytes | None:
        """What Redis is to hold, None if it does."""
        return None if self._known is not None and self._known[0] == self._packed else self._packed

    @property
    def new_keys(self) -> bytes | None:
        """The list of keys for Redis, None if it has it."""
        if self._known is not None and self._known[1] == self._list_id:
            return None
        return pack_keys(self._generation, raw_keys(self._data, HEADER, self._used))

    def sent(self) -> None:
        """Redis has taken both."""
        self._known = self._packed, self._list_id
        self._confirmed = self._packed

    def forget(self) -> None:
        """Nobody knows what Redis has."""
        self._known = None

    def confirmed(self) -> Iterator[tuple[bytes, float]]:
        """Each key with the value that Redis took the last time it is known to have taken any."""
        if self._confirmed:
            held = unpack_values(self._confirmed)
            if held.generation == self._generation:
                yield from zip(raw_keys(self._data, HEADER, self._used), held.values, strict=False)

    @property
    def _list_id(self) -> tuple[int, int]:
        return self._generation, self._used

    def _start(self) -> None:
        """Begin a new list of keys: those known so far may be in another order by now."""
        self._generation = secrets.randbits(64)
        self._learn([], HEADER)
        self._pack()

    def _learn(self, keys: list[bytes], used: int) -> None:
        self._used = used
        entries = struct.Struct("=8x" + "".join([f"{distance_to_value(key)}xdd" for key in keys])) if keys else _NOTHING
        self._unpack = entries.unpack_from
        self._off = [self._settled.get(settled_key(self.field, key), 0.0) for key in keys] if self._settled else []

    def _pack(self) -> None:
        numbers = self._unpack(self._data)
        values, timestamps = numbers[::2], numbers[1::2]
        if any(self._off):
            values = tuple([value - off for value, off in zip(values, self._off, strict=True)])
        self._packed = pack_values(self._generation, values, timestamps if self._timed else None)
