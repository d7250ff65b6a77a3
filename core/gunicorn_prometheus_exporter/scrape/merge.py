"""Merges readings into families, as prometheus_client does in its multiprocess mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..storage.names import SegmentName
from .buckets import BucketsShown
from .claims import Claims
from .families import Family
from .naming import Naming
from .plan import Plan, make_plan
from .readings import Layout, Reading
from .rounding import Ratchet


@dataclass(frozen=True, slots=True)
class Merged:
    """The families, the names they own, and what was left out because of a conflict, as ``family (type)``."""

    families: list[Family]
    claims: Claims
    conflicts: frozenset[str]


class Merger:
    """Merges; keeps the plan as long as the segments have the same entries, and the result while nothing changes.

    Families in ``hidden`` are left out; those in ``made_here`` count only if they were derived. ``naming`` says by what
    names all are shown, and ``buckets`` with which ones histograms are.
    """

    def __init__(
        self, *, hidden: frozenset[str], made_here: frozenset[str], naming: Naming, buckets: BucketsShown
    ) -> None:
        self._hidden = hidden
        self._made_here = made_here
        self._naming = naming
        self._buckets = buckets
        self._planned_for: list[tuple[SegmentName, Layout]] | None = None
        self._plan: Plan | None = None
        self._readings: list[Reading] = []
        self._merged: Merged | None = None
        self._ratchet = Ratchet()

    def merge(self, recorded: Sequence[Reading], derived: Sequence[Reading]) -> Merged:
        """What the segments say, and what was derived from it, as families in no particular order."""
        readings = [*recorded, *derived]
        if self._merged is not None and readings == self._readings:
            return self._merged
        plan = self._plan_for(recorded, derived)
        slots = plan.start.copy()
        for step in plan.steps:
            step.combine(slots, step.targets, [readings[member] for member in step.members])
        self._ratchet.hold(slots.values, plan.totals)
        families = [output.family(slots) for output in plan.outputs]
        self._readings, self._merged = readings, Merged(families, plan.claims, plan.conflicts)
        return self._merged

    def _plan_for(self, recorded: Sequence[Reading], derived: Sequence[Reading]) -> Plan:
        wanted = [(reading.name, reading.layout) for reading in (*recorded, *derived)]
        if self._plan is None or wanted != self._planned_for:
            self._plan = make_plan(
                recorded,
                derived,
                hidden=self._hidden,
                made_here=self._made_here,
                naming=self._naming,
                buckets=self._buckets,
            )
            self._planned_for = wanted
        return self._plan
