"""The publication: what Redis has of the values of one store, kept equal to them.

Values are absolute and go out in one transaction, so one that failed is simply made again. It also tells what became of
the last one: it finds the sequence number of the last one that was answered, or else Redis has lost something, or done
more than it could answer, and gets everything anew. And a source that was taken for gone while nobody could write finds
the mark of that, and goes on as another incarnation with what was not counted yet.
"""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Callable
from itertools import chain
from typing import Any, Final

from ..scrape.source import SegmentSource, UnreadableSegment
from ..storage.names import SegmentName
from ..storage.published import Published
from .connection import RedisConnection
from .layout import (
    FLEET,
    Keys,
    Source,
    SourceInfo,
    SourceKeys,
    Total,
    is_transient,
    parse_segment_field,
    segment_field,
    unpack_keys,
    unpack_values,
)
from .parcel import Parcel, settled_key

_LONGEST_SILENCE: Final = 10.0
_PATIENCE: Final = 5.0
_ATTEMPTS: Final = 3

Check = Callable[[Any], bool]


class RedisLostData(Exception):
    """Redis does not have what it was given, or not what it has just been given."""


class Publication:
    """Copies the segments of ``source``, which are those of ``store``, to Redis under ``keys`` as ``instance``.

    ``ttl`` is after how many seconds without a sign of life the source counts as gone; None: never. Nothing here is
    thread-safe.
    """

    def __init__(
        self,
        store: Published,
        source: SegmentSource,
        connection: RedisConnection,
        keys: Keys,
        instance: str,
        info: SourceInfo,
        ttl: float | None,
    ) -> None:
        self._store = store
        self._segments = source
        self._connection = connection
        self._keys = keys
        self._instance = instance
        self._info = info
        self._ttl = ttl
        self._silence = _LONGEST_SILENCE if ttl is None else min(ttl / 3, _LONGEST_SILENCE)
        self._settled: dict[str, float] | None = None
        self._parcels: dict[SegmentName, Parcel] = {}
        self._stale: set[str] = set()
        self._sequence: int | None = None
        self._heard = 0.0
        self._delivered = 0.0

    def publish(self) -> None:
        """Bring Redis up to date, if it is not. Raises RedisTrouble, RedisLostData, OSError."""
        self._look()
        if self._has_news():
            self._deliver(last=False)

    def end(self) -> None:
        """The same for the last time: what means that the source is alive ends with it. Raises the same."""
        self._look()
        self._deliver(last=True)

    def forget_what_is_settled(self) -> None:
        """Where this is published from now on, nothing of it counts yet. Raises OSError."""
        settled = self._store.open_settled()
        for key in tuple(settled):
            settled.write_value(key, 0.0, 0.0)
        settled.close()
        self._start_over()

    def _look(self) -> None:
        """See what is to be published. What cannot be read now stays as it was read last."""
        if self._settled is None:
            self._settled = {key: value for key, value, _ in self._store.open_settled().read_all_values()}
        found: dict[SegmentName, Parcel] = {}
        for segment in self._segments.scan():
            if not segment.alive:
                continue
            parcel = self._parcels.get(segment.name) or Parcel(segment.name, self._settled)
            try:
                parcel.fill(bytes(segment.read()), segment.identity)
            except FileNotFoundError:
                continue
            except (OSError, UnreadableSegment):
                # Each scrape counts it.
                pass
            if not parcel.is_empty:
                found[segment.name] = parcel
        self._stale |= {parcel.field for name, parcel in self._parcels.items() if name not in found and parcel.is_known}
        self._parcels = found

    def _has_news(self) -> bool:
        if self._sequence is None or self._stale or self._is_over(self._heard, self._silence):
            return True
        changed = [parcel for parcel in self._parcels.values() if parcel.new_values is not None]
        # Samples of an idle server change all the time, and nobody wants each of them.
        patient = all(parcel.is_transient and parcel.is_known for parcel in changed)
        return bool(changed) and (not patient or self._is_over(self._delivered, _PATIENCE))

    def _is_over(self, since: float, seconds: float) -> bool:
        return time.monotonic() - since >= seconds

    def _deliver(self, *, last: bool) -> None:
        for _ in range(_ATTEMPTS):
            with self._connection.exchange() as client:
                outcome = self._exchange(client, last=last)
            if outcome is _Outcome.DONE:
                return
            self._look()
        raise RedisLostData(f"{self._connection.address}: does not keep what it is given")

    def _exchange(self, client: Any, *, last: bool) -> _Outcome:
        source = Source(self._instance, self._store.incarnation)
        names = self._keys.source(source)
        now, calling = time.monotonic(), last or self._sequence is None or self._is_over(self._heard, self._silence)
        transaction = _Transaction(self._connection.transaction(client, names.seq))
        self._add_changes(transaction, names)
        if calling:
            self._add_sign_of_life(transaction, names, last=last)
        sequence = secrets.randbits(48) if self._sequence is None else self._sequence + 1
        transaction.add(_is(self._sequence), "GETSET", names.seq, sequence)
        if last:
            # Without it, nothing is kept for a publisher that might come back.
            transaction.add(None, "DEL", names.seq)
        gone = transaction.add(None, "EXISTS", names.gone)
        sound = transaction.execute()
        if gone():
            self._begin_anew(client, source, names)
            return _Outcome.AGAIN
        if not sound:
            self._sequence = None
            self._forget_what_is_settled_nowhere(client)
            return _Outcome.AGAIN
        for parcel in self._parcels.values():
            parcel.sent()
        self._stale.clear()
        self._sequence = sequence
        self._delivered = now
        if calling:
            client.hset(self._keys.index, source.field, self._info.encode())
            self._heard = now
        return _Outcome.DONE

    def _add_changes(self, transaction: _Transaction, names: SourceKeys) -> None:
        if self._sequence is None:
            transaction.add(None, "DEL", names.values, names.keys)
            self._stale.clear()
            for parcel in self._parcels.values():
                parcel.forget()
        elif self._stale:
            for key in (names.values, names.keys):
                transaction.add(None, "HDEL", key, *self._stale)
        new = sum(not parcel.is_known for parcel in self._parcels.values())
        changed = [(parcel.field, parcel.new_values, parcel.new_keys) for parcel in self._parcels.values()]
        values = [(field, packed) for field, packed, _ in changed if packed is not None]
        lists = [(field, packed) for field, _, packed in changed if packed is not None]
        for key, fields in ((names.values, values), (names.keys, lists)):
            if fields:
                transaction.add(_is(new), "HSET", key, *chain.from_iterable(fields))

    def _add_sign_of_life(self, transaction: _Transaction, names: SourceKeys, *, last: bool) -> None:
        if last:
            transaction.add(None, "DEL", names.alive)
        elif self._ttl is None:
            transaction.add(None, "SET", names.alive, 1)
        else:
            transaction.add(None, "SET", names.alive, 1, "PX", int(self._ttl * 1000))
        for key in (names.values, names.keys):
            transaction.add(_is(len(self._parcels)), "HLEN", key)

    def _begin_anew(self, client: Any, source: Source, names: SourceKeys) -> None:
        """The source was taken for gone, and what it had counted by then counts elsewhere. Go on as another one."""
        values, keys = client.hgetall(names.final_values), client.hgetall(names.final_keys)
        # What it had is not kept for ever. What Redis took last is what it had, but for one publish perhaps.
        final = _read_final(values, keys) if values else self._confirmed()
        settled = self._store.open_settled()
        for key, value in final.items():
            settled.write_value(key, settled.read_value(key)[0] + value, 0.0)
        settled.close()
        self._store.renew_incarnation()
        self._start_over()
        # What has just been written under the old name is nobody's.
        client.delete(names.values, names.keys, names.seq, names.alive)
        client.hdel(self._keys.index, source.field)

    def _confirmed(self) -> dict[str, float]:
        return {
            settled_key(parcel.field, key): value
            for name, parcel in self._parcels.items()
            if _adds_up(name) and not is_transient(name)
            for key, value in parcel.confirmed()
        }

    def _forget_what_is_settled_nowhere(self, client: Any) -> None:
        """Redis has lost data. If those totals are gone too, what this instance added to them is lost with them."""
        totals = (Total(self._instance, self._info.node), Total(node=self._info.node), FLEET)
        if self._settled and not any(client.exists(self._keys.total(total).values) for total in totals):
            self.forget_what_is_settled()

    def _start_over(self) -> None:
        self._sequence = None
        self._settled = None
        self._parcels = {}
        self._stale.clear()


class _Outcome(enum.Enum):
    DONE = enum.auto()
    AGAIN = enum.auto()


class _Transaction:
    """The commands of one MULTI/EXEC, each with what its reply must be."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._checks: list[Check | None] = []
        self._replies: list[Any] = []

    def add(self, check: Check | None, *command: Any) -> Callable[[], Any]:
        """Add ``command``, whose reply ``check`` must be true of. What is returned tells the reply, later."""
        position = len(self._checks)
        self._pipeline.execute_command(*command)
        self._checks.append(check)
        return lambda: self._replies[position]

    def execute(self) -> bool:
        """Whether all checks were true."""
        self._replies = self._pipeline.execute()
        pairs = zip(self._checks, self._replies, strict=True)
        return all(check is None or check(reply) for check, reply in pairs)


def _is(expected: int | None) -> Check:
    """A check for that number; for None, there is nothing to check."""

    def check(reply: Any) -> bool:
        return expected is None or (reply is not None and bytes(str(expected), "ascii") == _text(reply))

    return check


def _text(reply: Any) -> bytes:
    return reply if isinstance(reply, bytes) else bytes(str(reply), "ascii")


def _adds_up(name: SegmentName) -> bool:
    return name.kind in {"counter", "histogram", "summary"} or name.mode == "sum"


def _read_final(values: dict[bytes, bytes], keys: dict[bytes, bytes]) -> dict[str, float]:
    """What a gone source had counted, of all that adds up. What cannot be read was not counted anywhere either."""
    found = {}
    for field, packed in values.items():
        name = parse_segment_field(field.decode("utf-8", "replace"))
        if name is None or is_transient(name) or not _adds_up(name):
            continue
        try:
            counted, listed = unpack_values(packed), unpack_keys(keys.get(field, b""))
        except UnreadableSegment:
            continue
        if counted.generation == listed.generation and len(counted.values) <= len(listed.keys):
            for key, value in zip(listed.keys, counted.values, strict=False):
                found[settled_key(segment_field(name), key)] = value
    return found
