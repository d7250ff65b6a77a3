"""How the values that several segments have for one series become one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..storage.names import SegmentName
from .readings import Reading, holds_newest
from .rows import whole_block

UNSET = math.nan
NEVER = -1.0
_AT_A_TIME = 8


@dataclass(slots=True)
class Slots:
    """The values of all series while they are merged, and the time stamps of those where the newest counts."""

    values: list[float]
    newest: list[float]

    def copy(self) -> Slots:
        return Slots(self.values.copy(), self.newest.copy())


Combine = Callable[[Slots, Sequence[int], Sequence[Reading]], None]
"""Brings readings of one layout into the slots; the n-th value of each goes to the n-th of the given slots."""


def combination(name: SegmentName) -> Combine:
    """What merges segments of this type and mode."""
    if name.kind != "gauge":
        return _newest if holds_newest(name) else _add
    return _GAUGES.get(name.mode.removeprefix("live"), _each)


def is_by_owner(name: SegmentName) -> bool:
    """Whether each owner's values stay series of their own, told apart by the label ``pid``."""
    return combination(name) is _each


def _add(slots: Slots, targets: Sequence[int], readings: Sequence[Reading]) -> None:
    values = slots.values
    block = whole_block(readings)
    for slot, value in zip(targets, _sums(readings) if block is None else block.sums(), strict=True):
        values[slot] += value


def _sums(readings: Sequence[Reading]) -> Sequence[float]:
    """What ``readings`` say together. A few at a time, whose values then need not be brought back from slow memory."""
    sums: Sequence[float] = readings[0].values
    for first in range(1, len(readings), _AT_A_TIME):
        rows = [reading.values for reading in readings[first : first + _AT_A_TIME]]
        sums = list(map(sum, zip(sums, *rows, strict=True)))
    return sums


def _each(slots: Slots, targets: Sequence[int], readings: Sequence[Reading]) -> None:
    values = slots.values
    for reading in readings:
        for slot, value in zip(targets, reading.values, strict=True):
            values[slot] = value


def _least(slots: Slots, targets: Sequence[int], readings: Sequence[Reading]) -> None:
    values = slots.values
    for reading in readings:
        for slot, value in zip(targets, reading.values, strict=True):
            current = values[slot]
            if value < current or current != current:
                values[slot] = value


def _greatest(slots: Slots, targets: Sequence[int], readings: Sequence[Reading]) -> None:
    values = slots.values
    for reading in readings:
        for slot, value in zip(targets, reading.values, strict=True):
            current = values[slot]
            if value > current or current != current:
                values[slot] = value


def _newest(slots: Slots, targets: Sequence[int], readings: Sequence[Reading]) -> None:
    values, newest = slots.values, slots.newest
    for reading in readings:
        for slot, value, timestamp in zip(targets, reading.values, reading.timestamps, strict=True):
            if timestamp > newest[slot]:
                values[slot] = value
                newest[slot] = timestamp


_GAUGES: dict[str, Combine] = {"sum": _add, "min": _least, "max": _greatest, "mostrecent": _newest}
