"""Where a request's numbers go: label sets resolved once to indices of doubles, and capped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from ..catalogue import INFINITY, OTHER, Family
from ..settings import Settings
from ..storage.nowhere import Nowhere
from ..storage.segment import Segment
from ..storage.segments import Segments


def segment_for(segments: Segments, family: Family, settings: Settings, mode: str = "") -> Segment:
    """Where the samples of ``family`` go: nowhere if it is switched off. ``mode`` is a gauge's. Raises OSError."""
    return segments.get(family.kind, mode) if settings.records(family) else Nowhere()


class HistogramCells(NamedTuple):
    """Indices into a segment's cells: a bucket each, the last for +Inf, and the sum."""

    buckets: tuple[int, ...]
    sum: int


def counter_key(family: Family, labels: Mapping[str, str]) -> str:
    """The storage key of one counter sample."""
    return mmap_key(family.name, f"{family.name}_total", list(labels), list(labels.values()), family.help)


def gauge_key(family: Family, labels: Mapping[str, str]) -> str:
    """The storage key of one gauge sample."""
    return mmap_key(family.name, family.name, list(labels), list(labels.values()), family.help)


def histogram_sum_key(family: Family, labels: Mapping[str, str]) -> str:
    """The storage key of a histogram's sum, which is there if the histogram is."""
    return mmap_key(family.name, f"{family.name}_sum", list(labels), list(labels.values()), family.help)


def marking_key(family: Family, labels: Mapping[str, str]) -> str:
    """The storage key by which a label set is counted, and which is made last of all that it has."""
    return histogram_sum_key(family, labels) if family.kind == "histogram" else counter_key(family, labels)


def histogram_cells(segment: Segment, family: Family, labels: Mapping[str, str]) -> HistogramCells:
    """The cells of one histogram, created if they are new. Raises SegmentFullError, OSError."""

    def bucket(bound: float) -> int:
        names, values = (*labels, "le"), (*labels.values(), floatToGoString(bound))
        return segment.index(mmap_key(family.name, f"{family.name}_bucket", list(names), list(values), family.help))

    buckets = tuple(bucket(bound) for bound in (*family.buckets, INFINITY))
    # The sum comes last: label sets are counted by it, so one that is half made does not count yet.
    return HistogramCells(buckets, segment.index(histogram_sum_key(family, labels)))


class Cap:
    """How many label sets a family may have in one worker's storage, those of earlier owners of the slot included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}

    def count_existing(self, segment: Segment, family: Family) -> None:
        """Count the label sets that ``segment`` already has of ``family``."""
        sample = "sum" if family.kind == "histogram" else "total"
        prefix = f'["{family.name}", "{family.name}_{sample}", '
        self._counts[family.name] = sum(key.startswith(prefix) for key in segment)

    def admits(self, family: Family) -> bool:
        return self._counts.get(family.name, 0) < self._limit

    def add(self, family: Family) -> None:
        self._counts[family.name] = self._counts.get(family.name, 0) + 1


class CappedCounter:
    """One counter family whose label sets are capped; over the cap, ``overflow`` replaces the labels it names.

    ``dropped`` is told the name of the family for each increment that went to an overflow label set.
    """

    def __init__(self, segment: Segment, family: Family, cap: int, overflow: Sequence[str]) -> None:
        self._segment = segment
        self._is_off = isinstance(segment, Nowhere)
        self._family = family
        self._cap = Cap(cap)
        self._cap.count_existing(segment, family)
        self._overflow: Final = dict.fromkeys(overflow, OTHER)
        self._indices: dict[tuple[str, ...], int] = {}

    def start(self, *values: str) -> None:
        """Make the sample with the label ``values`` be there, if at zero."""
        self._resolve(values)

    def increment(self, *values: str) -> bool:
        """Add one to the sample with the label ``values``. False if it was counted under the overflow labels."""
        if self._is_off:
            return True
        index = self._indices.get(values)
        admitted = True
        if index is None:
            index, admitted = self._resolve(values)
        self._segment.cells[index] += 1.0
        return admitted

    def _resolve(self, values: tuple[str, ...]) -> tuple[int, bool]:
        labels = dict(zip(self._family.labels, values, strict=True))
        key = counter_key(self._family, labels)
        if key not in self._segment:
            if not self._overflow or self._cap.admits(self._family):
                self._cap.add(self._family)
            else:
                labels.update(self._overflow)
                return self._segment.index(counter_key(self._family, labels)), False
        self._indices[values] = self._segment.index(key)
        return self._indices[values], True


def capped_counter(segments: Segments, settings: Settings, family: Family, *overflow: str) -> CappedCounter:
    """A counter where samples of ``family`` go, with the cap of ``settings``. Raises OSError."""
    return CappedCounter(segment_for(segments, family, settings), family, settings.max_series, overflow)


class BoundedNames:
    """The first ``limit`` different names pass; every later one becomes ``__other__``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: set[str] = set()

    def bounded(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._limit:
                return OTHER
            self._names.add(name)
        return name
