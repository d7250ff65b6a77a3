"""Keeps totals from falling by a rounding error, which Prometheus would take for a counter that starts again."""

from __future__ import annotations

from collections.abc import Mapping
from operator import lt
from typing import Final

from .entries import Labels

SeriesKey = tuple[str, Labels]
"""A sample's name and its labels."""

_RELATIVE_ERROR: Final = 1e-12
"""More than thousands of additions of doubles, in whatever order, can differ by; less than anybody counts."""


class Ratchet:
    """Holds each total of the last merge until the sums are there again.

    The fractions of many segments add up to something else, in the last digit, when they are added in another order,
    and the order changes whenever one of them gets a new series, or comes, or goes.
    """

    def __init__(self) -> None:
        self._totals: Mapping[SeriesKey, int] = {}
        self._before: list[float] = []

    def hold(self, values: list[float], totals: Mapping[SeriesKey, int]) -> None:
        """Mend ``values``, of which ``totals`` says where those are that may only rise. What really falls, does."""
        if totals is not self._totals:
            known = dict(zip(self._totals, self._before, strict=True))
            self._before = [known.get(series, 0.0) for series in totals]
            self._totals = totals
        now = list(map(values.__getitem__, totals.values()))
        if any(map(lt, now, self._before)):
            for position, (slot, before) in enumerate(zip(totals.values(), self._before, strict=True)):
                total = now[position]
                if total < before <= total * (1.0 + _RELATIVE_ERROR):
                    values[slot] = now[position] = before
        self._before = now
