"""How the values that several segments have for one series become one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..storage.names import SegmentName
from .reader import Reading, holds_newest

UNSET = math.nan
NEVER = -1.0


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
    rows = [reading.values for reading in readings]
    row = rows[0] if len(rows) == 1 else map(sum, zip(*rows, strict=True))
    for slot, value in zip(targets, row, strict=True):
        values[slot] += value


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
