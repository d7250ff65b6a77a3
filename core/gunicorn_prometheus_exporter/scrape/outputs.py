"""How the merged values of a family become its samples, by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from .families import Family, Shape
from .modes import Slots


class Output(Protocol):
    """Makes one family out of the slots that are its own."""

    def family(self, slots: Slots) -> Family: ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Each slot is a sample."""

    shape: Shape
    span: slice

    def family(self, slots: Slots) -> Family:
        return Family(self.shape, slots.values[self.span])


@dataclass(frozen=True, slots=True)
class MostRecent:
    """Each slot is a sample if it was ever set; prometheus_client leaves out the others."""

    shape: Shape
    span: slice

    def family(self, slots: Slots) -> Family:
        newest = slots.newest[self.span]
        family = Family(self.shape, slots.values[self.span])
        return family.keep([index for index, timestamp in enumerate(newest) if timestamp > 0.0])


@dataclass(frozen=True, slots=True)
class Histograms:
    """Of each histogram the slots are its buckets, then its sum; the samples are cumulative buckets, count and sum."""

    shape: Shape
    spans: Sequence[slice]

    def family(self, slots: Slots) -> Family:
        samples: list[float] = []
        for span in self.spans:
            *buckets, total = slots.values[span]
            samples += accumulate(buckets)
            samples += (samples[-1], total)
        return Family(self.shape, samples)


@dataclass(frozen=True, slots=True)
class Information:
    """Of each group of slots only the newest is a sample."""

    shape: Shape
    span: slice
    groups: Sequence[slice]

    def family(self, slots: Slots) -> Family:
        newest = slots.newest[self.span]
        latest = [max(range(group.start, group.stop), key=newest.__getitem__) for group in self.groups]
        return Family(self.shape, [1.0] * len(newest)).keep(latest)


@dataclass(frozen=True, slots=True)
class States:
    """Of each group of slots only the newest of those that are on is 1, the others are 0."""

    shape: Shape
    span: slice
    groups: Sequence[slice]

    def family(self, slots: Slots) -> Family:
        values, newest = slots.values[self.span], slots.newest[self.span]
        samples = [0.0] * len(values)
        for group in self.groups:
            on = [index for index in range(group.start, group.stop) if values[index] == 1.0]
            if on:
                samples[max(on, key=newest.__getitem__)] = 1.0
        return Family(self.shape, samples)
