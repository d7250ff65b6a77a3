"""Works out, for a set of segments, where in the output each of their values goes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from ..storage.names import Origin, SegmentName
from .buckets import Bounds, BucketsShown, shown_as, with_bound
from .claims import Claims, fits_catalogue
from .entries import Key, Labels
from .families import Series, Shape
from .modes import NEVER, UNSET, Combine, Slots, combination, is_by_owner
from .naming import Naming
from .outputs import Histograms, Information, MostRecent, Output, Plain, States
from .readings import Layout, Reading, holds_newest
from .rounding import SeriesKey

_TOTALS: Final = frozenset({"counter", "histogram", "summary"})


@dataclass(frozen=True, slots=True)
class Step:
    """Readings that share a layout, by position, and the slots for their values."""

    combine: Combine
    targets: tuple[int, ...]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to merge one set of readings. ``conflicts`` names what was left out, as ``family (type)``.

    ``totals`` are the slots of counters and sums, which add up fractions that may only rise.
    """

    start: Slots
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    totals: Mapping[SeriesKey, int]
    claims: Claims
    conflicts: frozenset[str]


def make_plan(
    recorded: Sequence[Reading],
    derived: Sequence[Reading],
    *,
    hidden: frozenset[str],
    made_here: frozenset[str],
    naming: Naming,
    buckets: BucketsShown,
) -> Plan:
    """A plan for ``[*recorded, *derived]``, with the ``buckets`` that histograms are to have.

    Of families that conflict the first one stays. Those in ``hidden`` are left out, those in ``made_here``
    are only taken from ``derived``. ``naming`` says by what names all are shown.
    """
    families = _Families(hidden, made_here, naming, buckets)
    bundles: defaultdict[tuple[Layout, SegmentName, bool], list[int]] = defaultdict(list)
    for position, reading in enumerate([*recorded, *derived]):
        bundles[reading.layout, _merged_as(reading.name), position >= len(recorded)].append(position)
    placed = [
        (name, [families.place(name, key, derived=is_derived) for key in layout.keys], members)
        for (layout, name, is_derived), members in bundles.items()
    ]
    slots = Slots([], [])
    outputs = [draft.output(slots) for draft in families.drafts()]
    slots.values.append(0.0)
    slots.newest.append(math.inf)
    steps = [
        Step(combination(name), tuple([place.slot for place in places]), tuple(members))
        for name, places, members in placed
    ]
    totals = {series: slot for draft in families.drafts() for series, slot in draft.totals()}
    return Plan(slots, tuple(steps), tuple(outputs), totals, families.claims, frozenset(families.conflicts))


@dataclass(slots=True, eq=False)
class _Place:
    """A series and its slot. The last slot, which nobody reads, takes what is not exposed."""

    key: Key
    labels: Labels
    slot: int = -1


@dataclass(slots=True, eq=False)
class _Draft:
    """A family while its series are collected."""

    name: SegmentName
    family: str
    help: str
    unit: str
    bounds: Bounds | None
    places: dict[tuple[str, Labels], _Place] = field(default_factory=dict)

    def place(self, key: Key, owner: str) -> _Place:
        labels = key.labels if not owner else tuple(sorted([*key.labels, ("pid", owner)]))
        return self.places.setdefault((key.sample, labels), _Place(key, labels))

    def output(self, slots: Slots) -> Output:
        """Give the series their slots, in the order of the exposition."""
        if self.name.kind == "histogram":
            return self._histograms(slots)
        places = sorted(self.places.values(), key=lambda place: (place.key.group, place.labels, place.key.sample))
        span = _allot(places, slots, self.name)
        shape = self._shape(Series(place.key.sample, place.labels) for place in places)
        if self.name.kind == "info":
            return Information(shape, span, _groups(places))
        if self.name.kind == "stateset":
            return States(shape, span, _groups(places))
        return MostRecent(shape, span) if holds_newest(self.name) else Plain(shape, span)

    def totals(self) -> Iterator[tuple[SeriesKey, int]]:
        """Which series are totals, once they have their slots; buckets are not: they are whole."""
        if self.name.kind in _TOTALS:
            for place in self.places.values():
                if place.key.bound is None and place.slot >= 0:
                    yield (place.key.sample, place.labels), place.slot

    def _histograms(self, slots: Slots) -> Histograms:
        """A histogram that lacks its sum or its last bucket is still being created, and waits for the next scrape."""
        histograms: defaultdict[Labels, list[_Place]] = defaultdict(list)
        for place in self.places.values():
            histograms[place.key.group].append(place)
        spans = []
        series = []
        for group, places in sorted(histograms.items()):
            places += self._buckets_without_storage(places)
            buckets = sorted((place for place in places if place.key.bound is not None), key=_bound)
            sums = [place for place in places if place.key.bound is None]
            if sums and buckets and buckets[-1].key.bound == math.inf:
                spans.append(_allot(buckets + sums, slots, self.name))
                series += [Series(bucket.key.sample, bucket.labels) for bucket in buckets]
                series += [Series(self.family + "_count", group), Series(self.family + "_sum", group)]
        return Histograms(self._shape(series), tuple(spans))

    def _buckets_without_storage(self, places: Sequence[_Place]) -> list[_Place]:
        """All histograms of a family have the same buckets, or else their sum would be none."""
        there = {place.key.bound: place.key for place in places}
        one = there.get(math.inf)
        if one is None:
            return []
        missing = [with_bound(one, bound) for bound in self.bounds or () if bound not in there]
        return [_Place(key, key.labels) for key in missing]

    def _shape(self, series: Iterable[Series]) -> Shape:
        return Shape(self.family, self.name.kind, self.help, self.unit, tuple(series))


class _Families:
    """The families of a plan; decides which keys belong to one."""

    def __init__(
        self, hidden: frozenset[str], made_here: frozenset[str], naming: Naming, buckets: BucketsShown
    ) -> None:
        self._buckets = buckets
        self.claims = Claims(naming.families.values())
        self.conflicts: set[str] = set()
        self._hidden = hidden
        self._made_here = made_here
        self._naming = naming
        self._drafts: dict[str, _Draft] = {}
        self._placed: defaultdict[tuple[SegmentName, bool], dict[Key, _Place]] = defaultdict(dict)

    def place(self, name: SegmentName, key: Key, *, derived: bool) -> _Place:
        """The place for ``key``, which gets no slot if its family is not exposed."""
        placed = self._placed[name, derived]
        place = placed.get(key)
        if place is None:
            named = self._naming.shown(key, name.kind)
            draft = self._draft(name, named, owned=derived or key.family not in self._made_here)
            if draft is None:
                place = _Place(key, key.labels)
            else:
                place = draft.place(shown_as(_shown(named, name), draft.bounds), name.owner)
            placed[key] = place
        return place

    def drafts(self) -> Iterable[_Draft]:
        return self._drafts.values()

    def _draft(self, name: SegmentName, key: Key, *, owned: bool) -> _Draft | None:
        if key.family in self._hidden:
            return None
        draft = self._drafts.get(key.family)
        if owned and fits_catalogue(key.family, name.kind, key.group):
            if draft is None and self.claims.take(key.family, name.kind):
                draft = self._drafts[key.family] = self._new_draft(name, key)
            if draft is not None and (draft.name.kind, draft.name.mode) == (name.kind, name.mode):
                return draft
        self.conflicts.add(f"{key.family} ({name.kind})")
        return None

    def _new_draft(self, name: SegmentName, key: Key) -> _Draft:
        known = self._naming.described(key.family)
        if known is None:
            return _Draft(name, key.family, key.help, "", None)
        return _Draft(name, key.family, known.help, known.unit, self._buckets.get(key.family))


def _merged_as(name: SegmentName) -> SegmentName:
    """``name`` without its owner, unless the owner's values stay apart; of its origin only what is shown of that."""
    origin = Origin("", name.origin.labels) if name.origin is not None and name.origin.labels else None
    return SegmentName(name.kind, name.mode, name.owner if is_by_owner(name) else "", origin)


def _shown(key: Key, name: SegmentName) -> Key:
    """``key`` with the labels of its segment's origin. Its own ones of these names are renamed, as Prometheus does."""
    if name.origin is None:
        return key
    added = name.origin.labels
    taken = dict(added)

    def with_origin(labels: Labels) -> Labels:
        own = ((f"exported_{label}" if label in taken else label, value) for label, value in labels)
        return tuple(sorted([*own, *added]))

    return replace(key, labels=with_origin(key.labels), group=with_origin(key.group))


def _allot(places: Sequence[_Place], slots: Slots, name: SegmentName) -> slice:
    first = len(slots.values)
    for slot, place in enumerate(places, first):
        place.slot = slot
    slots.values.extend([UNSET if name.mode.endswith(("min", "max")) else 0.0] * len(places))
    slots.newest.extend([0.0 if name.kind == "gauge" else NEVER] * len(places))
    return slice(first, first + len(places))


def _groups(places: Sequence[_Place]) -> tuple[slice, ...]:
    """Where in sorted ``places`` those with the same group are."""
    slices = []
    for _, members in groupby(enumerate(places), key=lambda member: member[1].key.group):
        positions = [position for position, _ in members]
        slices.append(slice(positions[0], positions[-1] + 1))
    return tuple(slices)


def _bound(place: _Place) -> float:
    return math.inf if place.key.bound is None else place.key.bound
