"""What many instances have counted, read from Redis in a few round trips, however many they are.

Order is what makes a sum exact while others retire sources. Counts only move on, from a source to a total and from
there to the next one, and each total says what it has taken in of late (`TotalMeta.folded`). So whoever reads upstream
first, and then leaves out what a total further down says it has, counts everything once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from ..scrape.readings import Reading, Readings
from ..scrape.source import UnreadableSegment
from .connection import RedisConnection, RedisTrouble
from .index import Index, Place
from .layout import FLEET, META, Keys, Source, Total, TotalMeta, is_transient
from .pipelines import WRONG_TYPE, Command, ask
from .shelf import KeyLists, Shelf

RETIRED: Final = "__retired__"
"""The ``instance_id`` of what instances that are long gone have counted."""

_ATTEMPTS: Final = 5
_ORDER: Final = attrgetter("name.kind", "name.mode", "name.owner", "name.origin.source")
_META: Final = META.encode()


@dataclass(frozen=True)
class _Found:
    """What was found, and when."""

    readings: Readings
    at: float

    @cached_property
    def lasting(self) -> Readings:
        """The part of it that needs no living instance."""
        lasting = [reading for reading in self.readings.readings if not is_transient(reading.name)]
        return Readings(lasting, self.readings.unreadable, self.readings.size)


class Fleet:
    """The segments of all instances under one prefix, or of ``node`` or ``instance`` alone: a source of readings.

    `refresh` asks Redis, for one thread at a time. What it found is there until the next one that succeeds; once that
    is ``ttl`` seconds ago (None: never), nothing counts any more that needs a living instance. With ``by_instance``
    every sample has a label ``instance_id``.
    """

    def __init__(
        self,
        connection: RedisConnection,
        keys: Keys,
        *,
        node: str | None = None,
        instance: str | None = None,
        by_instance: bool = False,
        ttl: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._node = node
        self._instance = instance
        self._by_instance = by_instance
        self._ttl = ttl
        self._clock = clock
        self._lists = KeyLists()
        self._shelves: dict[Place, Shelf] = {}
        self._found = _Found(Readings([], 0, 0), clock())

    def refresh(self) -> None:
        """Read what is in Redis now. Raises RedisTrouble, and then what was found before stays."""
        with self._connection.exchange() as client:
            for _ in range(_ATTEMPTS):
                round_ = _Round(client, self._keys, self._shelf, in_order=not self._connection.is_cluster)
                round_.read(self._node, self._instance)
                if not round_.is_outdated():
                    break
            else:
                raise RedisTrouble(f"{self._connection.address}: changes faster than it can be read")
        self._shelves = round_.shelves
        self._found = _Found(_readings(round_), self._clock())
        self._lists.forget(chain.from_iterable(shelf.key_lists for shelf in self._shelves.values()))

    def abandon(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._connection.abandon()

    def readings(self) -> Readings:
        """What the last `refresh` that succeeded has found."""
        found = self._found
        if self._ttl is None or self._clock() - found.at <= self._ttl:
            return found.readings
        return found.lasting

    def _shelf(self, place: Place) -> Shelf:
        shelf = self._shelves.get(place)
        if shelf is None:
            instance = place.instance or RETIRED
            shelf = Shelf(self._lists, place.field, instance, by_instance=self._by_instance)
        return shelf


@dataclass(slots=True)
class _Round:
    """One reading of everything."""

    client: Any
    keys: Keys
    shelf: Callable[[Place], Shelf]
    in_order: bool
    """Whether the replies of one pipeline were made in its order: not so in a cluster."""
    shelves: dict[Place, Shelf] = field(default_factory=dict)
    metas: dict[Total, TotalMeta] = field(default_factory=dict)
    unreadable: int = 0
    _unlearnt: list[tuple[Place, str, list[bytes]]] = field(default_factory=list)
    _without_keys: list[Place] = field(default_factory=list)

    def read(self, node: str | None, instance: str | None) -> None:
        """Read the fleet, or what belongs to ``node`` or to ``instance``."""
        index = Index.of_reply(ask(self.client, [("HGETALL", self.keys.index)])[0])
        self.unreadable = index.foreign
        index = index.part(instance=instance, node=node)
        totals = {*self._read_sources(index), *index.totals, *index.downstream()}
        # What instances of several nodes, or nameless ones, have counted belongs to no single one.
        totals = {total for total in totals if node in (None, total.node) and instance in (None, total.instance)}
        carried = [total for total in totals if total.instance]
        retired = [total for total in totals if not total.instance and total != FLEET]
        fleet = [total for total in totals if total == FLEET]
        for stage in [[*carried, *retired, *fleet]] if self.in_order else [carried, retired, fleet]:
            self._read_totals(stage)
        self._learn([])

    def counted(self) -> list[Shelf]:
        """The shelves, without those whose counts are in another one by now."""
        folded = set(chain.from_iterable(meta.folded for meta in self.metas.values()))
        return [shelf for place, shelf in self.shelves.items() if self._token(place) not in folded]

    def is_outdated(self) -> bool:
        """Whether counts have moved on between their values and their key list, which was not there any more."""
        questions: list[Command] = []
        for place in self._without_keys:
            if isinstance(place, Source):
                questions.append(("EXISTS", self.keys.source(place).gone))
            else:
                questions.append(("HGET", self.keys.total(place).values, META))
        return any(map(self._has_moved, self._without_keys, ask(self.client, questions)))

    def _has_moved(self, place: Place, reply: Any) -> bool:
        if isinstance(place, Source):
            return bool(reply)
        if reply is WRONG_TYPE or place not in self.metas:
            return False
        try:
            return reply is None or TotalMeta.decode(reply).token != self._token(place)
        except UnreadableSegment:
            return False

    def _token(self, place: Place) -> str:
        """By what name a total further down says that it has the counts of ``place``."""
        if isinstance(place, Source):
            return place.incarnation
        return self.metas[place].token if place in self.metas else ""

    def _read_sources(self, index: Index) -> set[Total]:
        """Read the sources; returns the totals that the counts of those that are gone must be in."""
        totals = set()
        sources = index.sources
        commands: list[Command] = []
        for source in sources:
            keys = self.keys.source(source)
            commands += [("HGETALL", keys.values), ("EXISTS", keys.alive), ("EXISTS", keys.gone)]
        replies = ask(self.client, commands)
        for source, fields, alive, gone in zip(sources, replies[::3], replies[1::3], replies[2::3], strict=True):
            if gone or not fields:
                totals.add(index.total_of(source))
            else:
                self._put(source, fields, self.keys.source(source).keys, alive=bool(alive))
        return totals

    def _read_totals(self, totals: Sequence[Total]) -> None:
        replies = self._learn([("HGETALL", self.keys.total(total).values) for total in totals])
        for total, fields in zip(totals, replies, strict=True):
            if fields is not WRONG_TYPE and _META in fields:
                try:
                    self.metas[total] = TotalMeta.decode(fields.pop(_META))
                except UnreadableSegment:
                    self.unreadable += 1
            if fields:
                self._put(total, fields, self.keys.total(total).keys, alive=False)

    def _put(self, place: Place, fields: Any, keys: str, *, alive: bool) -> None:
        if fields is WRONG_TYPE:
            self.unreadable += 1
            return
        shelf = self.shelves[place] = self.shelf(place)
        unlearnt = shelf.put(fields, alive=alive)
        if unlearnt:
            self._unlearnt.append((place, keys, unlearnt))

    def _learn(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to ``commands``; on the way, learn the key lists that are wanted by now."""
        wanted, self._unlearnt = self._unlearnt, []
        lists_of: list[Command] = [("HMGET", keys, *fields) for _, keys, fields in wanted]
        replies = ask(self.client, [*commands, *lists_of])
        for (place, _, fields), lists in zip(wanted, replies[len(commands) :], strict=True):
            for name, packed in zip(fields, [None] * len(fields) if lists is WRONG_TYPE else lists, strict=True):
                if not self.shelves[place].learn(name, packed):
                    self._without_keys.append(place)
        return replies[: len(commands)]


def _readings(found: _Round) -> Readings:
    shelves = found.counted()
    readings: Iterable[Reading] = chain.from_iterable(shelf.readings() for shelf in shelves)
    unreadable = found.unreadable + sum(shelf.unreadable for shelf in shelves)
    return Readings(sorted(readings, key=_ORDER), unreadable, sum(shelf.size for shelf in shelves))
