"""Works out, for a set of segments, where in the output each of their values goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from gunicorn_prometheus_exporter.catalogue import CATALOGUE
from gunicorn_prometheus_exporter.scrape.claims import Claims, fits_catalogue
from gunicorn_prometheus_exporter.scrape.entries import Key, Labels
from gunicorn_prometheus_exporter.scrape.families import Series, Shape, without
from gunicorn_prometheus_exporter.scrape.modes import NEVER, UNSET, Combine, Slots, combination, is_by_owner
from gunicorn_prometheus_exporter.scrape.outputs import Histograms, Information, MostRecent, Output, Plain, States
from gunicorn_prometheus_exporter.scrape.reader import Layout, Reading
from gunicorn_prometheus_exporter.storage.names import SegmentName

_CATALOGUE_ORDER = {name: index for index, name in enumerate(CATALOGUE)}


@dataclass(frozen=True, slots=True)
class Step:
    """Readings that share a layout, by their positions, and where to bring their values."""

    combine: Combine
    targets: tuple[int, ...]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to merge one set of readings. ``conflicts`` tells of what was left out, as ``family (type)``."""

    start: Slots
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    claims: Claims
    conflicts: frozenset[str]


@dataclass(slots=True, eq=False)
class _Place:
    """A series, and the slot it gets; the last slot, which nobody reads, until then."""

    labels: Labels
    key: Key
    slot: int = -1


@dataclass(slots=True, eq=False)
class _Draft:
    """A family while its series are collected."""

    kind: str
    mode: str
    name: str
    help: str
    unit: str
    places: dict[tuple[str, Labels], _Place] = field(default_factory=dict)

    def place(self, key: Key, owner: str) -> _Place:
        labels = key.labels if not owner else tuple(sorted([*key.labels, ("pid", owner)]))
        return self.places.setdefault((key.sample, labels), _Place(labels, key))

    def shape(self, series: Iterable[Series]) -> Shape:
        return Shape(self.name, self.kind, self.help, self.unit, tuple(series))


class Planner:
    """Makes plans. Families in ``hidden`` are left out; those in ``made_here`` may only be derived."""

    def __init__(self, *, hidden: frozenset[str], made_here: frozenset[str]) -> None:
        self._hidden = hidden
        self._made_here = made_here

    def plan(self, recorded: Sequence[Reading], derived: Sequence[Reading]) -> Plan:
        """A plan for ``[*recorded, *derived]``. Of families that conflict the first one stays."""
        admission = _Admission(self._hidden, self._made_here)
        placed = _placed(recorded, admission, 0) + _placed(derived, _Admission(self._hidden, frozenset(), admission), len(recorded))
