"""Gauges that a master sets again and again, some of them under labels that come and go."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..catalogue import Family
from ..recorder.series import gauge_key
from ..storage.segment import Segment


class LiveGauges:
    """The gauges in one live segment, of the families that it ``records``.

    A sample cannot be taken out of a segment. In one of the mode ``livemostrecent`` a sample without a timestamp is
    not there for any reader, so that is how a sample goes away.
    """

    def __init__(self, segment: Segment, records: Callable[[Family], bool] = lambda family: True) -> None:
        self._segment = segment
        self._records = records
        self._indices: dict[tuple[str, tuple[str, ...]], int] = {}

    def set(self, family: Family, value: float, now: float, *labels: str) -> None:
        """Set the sample of ``family`` with the values ``labels``, as of ``now`` (Unix seconds).

        One that has that value keeps its time, so that an idle server writes, and publishes, nothing.
        """
        if not self._records(family):
            return
        index = self._indices.get((family.name, labels))
        if index is None:
            key = gauge_key(family, dict(zip(family.labels, labels, strict=True)))
            index = self._indices[family.name, labels] = self._segment.index(key)
        cells = self._segment.cells
        if cells[index] != value or not cells[index + 1]:
            cells[index] = value
            cells[index + 1] = now

    def keep_only(self, family: Family, kept: Collection[tuple[str, ...]]) -> None:
        """Take away every sample of ``family`` that has none of the ``kept`` label values."""
        for (name, labels), index in self._indices.items():
            if name == family.name and labels not in kept:
                self._segment.cells[index + 1] = 0.0
