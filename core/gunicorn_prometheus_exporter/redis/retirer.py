"""Retires sources that are gone: their counts go on into totals, each exactly once, whoever does it and dies halfway.

A source is retired in one transaction, because its instance's total is in the same slot of a cluster. A total moves on
into the next one, which is elsewhere, in steps that anybody may repeat or take up: freeze it; add it to the next one
together with its token, unless that is there already; delete it. The lease only keeps retirers from doing the same work
twice; that they do each other no harm is what WATCH is for.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from ..scrape.source import UnreadableSegment
from .connection import RedisConnection
from .contents import Contents
from .index import Index
from .layout import FLEET, META, Keys, Source, SourceInfo, Total, TotalMeta, new_incarnation
from .pipelines import WRONG_TYPE, ask

COMPONENT: Final = "redis"
GONE_SECONDS: Final = 7 * 86_400
"""How long it is known that a source was retired, and with what, for a publisher that comes back to go on from there.
Counts of one that was away for longer are counted twice."""

_LEASE_SECONDS: Final = 20
_KEPT_MARKS: Final = 3600.0
_MOST_SERIES: Final = 100_000
_META: Final = META.encode()

OnFailure = Callable[[str, BaseException], None]


class TotalFull(Exception):
    """What instances that are gone have counted has more series than are kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """An instance may come back under its name for ``carried`` seconds, and go on with its counts; a node that nothing
    runs on keeps a total of its own for ``node`` seconds. A total holds ``series`` at most, and what is over is lost.
    """

    carried: float = 3600.0
    node: float = 86_400.0
    series: int = _MOST_SERIES


class Retirer:
    """Retires what is gone under one prefix. `run` it now and then, in any process and any number of them.

    ``on_failure(component, error)`` is told of what had to be left out.
    """

    def __init__(
        self, connection: RedisConnection, keys: Keys, on_failure: OnFailure, *, limits: Limits | None = None
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._on_failure = on_failure
        self._limits = limits or Limits()
        self._me = secrets.token_hex(8)

    def run(self, *, seconds: float = 3.0) -> int:
        """Retire what there is to retire, for about ``seconds``. Returns how much was. Raises RedisTrouble.

        Does nothing while another retirer is at it.
        """
        deadline = time.monotonic() + seconds
        done = 0
        with self._connection.exchange() as client:
            if not self._is_leased(client):
                return 0
            for step in _Pass(client, self._connection, self._keys, self._limits, self._on_failure).steps():
                try:
                    done += step()
                except UnreadableSegment as error:
                    self._on_failure(COMPONENT, error)
                if time.monotonic() > deadline:
                    break
        return done

    def _is_leased(self, client: Any) -> bool:
        if client.set(self._keys.lease, self._me, nx=True, ex=_LEASE_SECONDS):
            return True
        is_mine = client.get(self._keys.lease) == self._me.encode()
        return is_mine and bool(client.expire(self._keys.lease, _LEASE_SECONDS))


class _Pass:
    """One look at the index, and what is to be done about it."""

    def __init__(
        self, client: Any, connection: RedisConnection, keys: Keys, limits: Limits, on_failure: OnFailure
    ) -> None:
        self._client = client
        self._connection = connection
        self._keys = keys
        self._limits = limits
        self._on_failure = on_failure
        # What a transaction leaves out is so once it is made: it may have met others in the middle of their work.
        self._left_out: list[Exception] = []
        self._index = Index.of_reply(ask(client, [("HGETALL", keys.index)])[0])
        self._metas = self._read_metas()
        self._now = self._redis_time()

    def steps(self) -> Iterator[Callable[[], int]]:
        """What there is to do. Each step returns 1 if it has moved counts."""
        for total, meta in self._metas.items():
            if meta is None or meta.frozen:
                yield partial(self._move, total)
        for source in self._dead_sources():
            yield partial(self._retire, source)
        for total, meta in self._metas.items():
            if meta is not None and not meta.frozen and self._is_due(total, meta):
                yield partial(self._move, total)

    def _read_metas(self) -> dict[Total, TotalMeta | None]:
        """What each total says about itself; None if it is listed and not there."""
        totals = self._index.totals
        metas: dict[Total, TotalMeta | None] = {}
        replies = ask(self._client, [("HGET", self._keys.total(total).values, META) for total in totals])
        for total, reply in zip(totals, replies, strict=True):
            try:
                metas[total] = None if reply is None else _decoded(reply)
            except UnreadableSegment as error:
                self._on_failure(COMPONENT, error)
        return metas

    def _redis_time(self) -> float:
        """Redis' clock, which all retirers share."""
        with self._connection.transaction(self._client, self._keys.index) as pipeline:
            pipeline.watch(self._keys.index)
            seconds, microseconds = pipeline.time()
        return float(seconds + microseconds / 1e6)

    def _dead_sources(self) -> list[Source]:
        sources = self._index.sources
        keys = [self._keys.source(source) for source in sources]
        replies = ask(self._client, [("EXISTS", key) for one in keys for key in (one.alive, one.gone)])
        alive, gone = replies[::2], replies[1::2]
        return [source for source, lives, went in zip(sources, alive, gone, strict=True) if went or not lives]

    def _is_due(self, total: Total, meta: TotalMeta) -> bool:
        """Whether nobody is left who might add to ``total``, and that for long."""
        if total.instance:
            is_used = any(self._index.total_of(source) == total for source in self._index.sources)
            return not is_used and self._now - meta.at >= self._limits.carried
        others = [place for place in self._index.infos if place != total and self._index.node_of(place) == total.node]
        return not others and self._now - meta.at >= self._limits.node

    # --- a source

    def _retire(self, source: Source) -> int:
        """Move the counts of ``source`` to the total of its instance, in one transaction."""
        total = self._index.total_of(source)
        keys, into = self._keys.source(source), self._keys.total(total)

        def body(pipeline: Any) -> bool:
            if pipeline.exists(keys.gone):
                # Its publisher has not noticed yet. What it has written since counts nowhere.
                pipeline.multi()
                pipeline.delete(keys.values, keys.keys, keys.alive, keys.seq)
                return True
            meta, held = self._read_total(pipeline, total)
            if meta.frozen or pipeline.exists(keys.alive):
                return False
            gone = Contents.unpack(_hash_or_nothing(pipeline, keys.values), _hash_or_nothing(pipeline, keys.keys))
            # Who ended by itself has taken its sequence number along, and does not come back.
            may_return = pipeline.exists(keys.seq)
            finals = [
                names
                for names in ((keys.values, keys.final_values), (keys.keys, keys.final_keys))
                if may_return and pipeline.exists(names[0])
            ]
            meta = self._add(meta, held, TotalMeta(source.incarnation), gone)
            pipeline.multi()
            if held.changed:
                self._write_total(pipeline, total, meta, held)
            for name, final in finals:
                pipeline.rename(name, final)
                pipeline.expire(final, GONE_SECONDS)
            pipeline.set(keys.gone, 1, ex=GONE_SECONDS)
            pipeline.delete(keys.alive, keys.seq, keys.values, keys.keys)
            return True

        if not self._transact([keys.gone, keys.alive, keys.values, keys.keys, into.values, into.keys], body):
            return 0
        self._list(total)
        self._client.hdel(self._keys.index, source.field)
        return 1

    # --- a total

    def _move(self, total: Total) -> int:
        """Move the counts of ``total`` to the next one: from the start, or from where another retirer has stopped."""
        token = self._freeze(total)
        moved = 0
        if token is not None and self._pass_on(total, token):
            self._list(total.next)
            self._delete(total, token)
            moved = 1
        self._unlist(total)
        return moved

    def _freeze(self, total: Total) -> str | None:
        """Let nothing more be added to ``total``. Returns its token, None if there is nothing in it."""
        keys = self._keys.total(total)
        token = None

        def body(pipeline: Any) -> bool:
            nonlocal token
            packed = pipeline.hget(keys.values, META)
            if packed is None:
                return False
            meta = TotalMeta.decode(packed)
            token = meta.token
            pipeline.multi()
            pipeline.hset(keys.values, META, replace(meta, frozen=True).encode())
            return True

        return token if self._transact([keys.values], body) else None

    def _pass_on(self, total: Total, token: str) -> bool:
        """Add the frozen ``total`` to the next one, unless that has been done. False if it cannot be done now."""
        source, into = self._keys.total(total), self._keys.total(total.next)
        is_there = False

        def body(pipeline: Any) -> bool:
            nonlocal is_there
            meta, held = self._read_total(pipeline, total.next)
            is_there = token in meta.folded
            if is_there or meta.frozen:
                return False
            # Not before here: whoever else adds it and deletes it changes what is being watched.
            values, keys = ask(self._client, [("HGETALL", source.values), ("HGETALL", source.keys)])
            if values is WRONG_TYPE or keys is WRONG_TYPE or _META not in values:
                return False
            moving = TotalMeta.decode(values[_META])
            if moving.token != token:
                return False
            meta = self._add(meta, held, moving, Contents.unpack(values, keys))
            pipeline.multi()
            self._write_total(pipeline, total.next, meta, held)
            return True

        return self._transact([into.values, into.keys], body) or is_there

    def _delete(self, total: Total, token: str) -> None:
        keys = self._keys.total(total)

        def body(pipeline: Any) -> bool:
            packed = pipeline.hget(keys.values, META)
            if packed is None or TotalMeta.decode(packed).token != token:
                return False
            pipeline.multi()
            pipeline.delete(keys.values, keys.keys)
            return True

        self._transact([keys.values], body)

    # --- the index

    def _list(self, total: Total) -> None:
        """Have ``total`` in the index, if it is there. This must come before what it has taken in leaves the index."""
        if total != FLEET and self._client.exists(self._keys.total(total).values):
            self._client.hset(self._keys.index, total.field, SourceInfo(node=total.node).encode())

    def _unlist(self, total: Total) -> None:
        """Take ``total`` out of the index, unless it is there, again perhaps: who makes one lists it afterwards."""

        def body(pipeline: Any) -> bool:
            if self._client.exists(self._keys.total(total).values):
                return False
            pipeline.multi()
            pipeline.hdel(self._keys.index, total.field)
            return True

        self._transact([self._keys.index], body)

    # --- transactions

    def _transact(self, watched: Sequence[str], body: Callable[[Any], bool]) -> bool:
        """Execute what ``body`` has put into a transaction. False if it wants none, or what is watched has changed."""
        self._left_out.clear()
        with self._connection.transaction(self._client, watched[0]) as pipeline:
            pipeline.watch(*watched)
            if not body(pipeline):
                return False
            try:
                pipeline.execute()
            except self._connection.watch_error:
                return False
        for error in self._left_out:
            self._on_failure(COMPONENT, error)
        return True

    def _read_total(self, pipeline: Any, total: Total) -> tuple[TotalMeta, Contents]:
        """What ``total`` holds, a new one if there is none. Raises UnreadableSegment."""
        keys = self._keys.total(total)
        values = _hash(pipeline, keys.values)
        if not values:
            return TotalMeta(new_incarnation()), Contents()
        if _META not in values:
            raise UnreadableSegment(f"{keys.values} does not say what it is")
        return TotalMeta.decode(values[_META]), Contents.unpack(values, _hash(pipeline, keys.keys))

    def _write_total(self, pipeline: Any, total: Total, meta: TotalMeta, held: Contents) -> None:
        keys = self._keys.total(total)
        pipeline.hset(keys.values, mapping={META: meta.encode(), **held.packed_values()})
        if held.grown:
            pipeline.hset(keys.keys, mapping=held.packed_keys())

    def _add(self, meta: TotalMeta, held: Contents, moving: TotalMeta, gone: Contents) -> TotalMeta:
        """Add ``gone``, known as ``moving``, to what is ``held``; returns what that total says about itself then."""
        if gone.unreadable:
            self._left_out.append(UnreadableSegment(f"{gone.unreadable} damaged values of a source that is gone"))
        dropped = held.add(gone, most_series=self._limits.series)
        if dropped:
            self._left_out.append(TotalFull(f"{dropped} series more than {self._limits.series} are lost"))
        # A reader may have seen it before it was added to what is added now.
        marks = {**meta.folded, **moving.folded}
        # The mark of a total that is on its way must stay until that is deleted, however long it takes.
        on_their_way = {other.token for other in self._metas.values() if other is not None}
        folded = {mark: at for mark, at in marks.items() if mark in on_their_way or self._now - at < _KEPT_MARKS}
        folded[moving.token] = self._now
        return replace(meta, at=self._now, folded=folded, dropped=meta.dropped + moving.dropped + dropped)


def _decoded(packed: Any) -> TotalMeta:
    if packed is WRONG_TYPE:
        raise UnreadableSegment("a total is not a hash")
    return TotalMeta.decode(packed)


def _hash(pipeline: Any, key: str) -> Mapping[bytes, bytes]:
    """The hash at ``key``, empty if there is none. Raises UnreadableSegment if something else is there."""
    if pipeline.type(key) not in (b"hash", b"none"):
        raise UnreadableSegment(f"{key} is not a hash")
    fields: Mapping[bytes, bytes] = pipeline.hgetall(key)
    return fields


def _hash_or_nothing(pipeline: Any, key: str) -> Mapping[bytes, bytes]:
    try:
        return _hash(pipeline, key)
    except UnreadableSegment:
        return {}
