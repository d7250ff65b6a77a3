"""What is exposed: families of samples, with what can be prepared once kept apart from the values of one scrape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..catalogue import CATALOGUE
from .entries import Labels

SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "info": ("_info",),
    "summary": ("_sum", "_count", "_created"),
}
"""What sample names may add to the family name; a family owns those names, used or not."""

_ORDER = {name: index for index, name in enumerate(CATALOGUE)}


@dataclass(frozen=True, slots=True)
class Series:
    """One line of an exposition, without its value. ``labels`` are sorted."""

    sample: str
    labels: Labels


@dataclass(frozen=True, eq=False)
class Shape:
    """A family without its values. Kept between scrapes, and with it the text of its lines."""

    name: str
    kind: str
    help: str
    unit: str
    series: tuple[Series, ...]

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """The start of each line, up to the value."""
        return tuple([_prefix(series) for series in self.series])

    @cached_property
    def groups(self) -> tuple[slice, ...]:
        """Of a histogram: where the lines of each of its histograms are."""
        starts = [
            index
            for index, series in enumerate(self.series)
            if index == 0 or without(series.labels, "le") != without(self.series[index - 1].labels, "le")
        ]
        return tuple(map(slice, starts, [*starts[1:], len(self.series)]))


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A family in one scrape: ``values[i]`` belongs to ``shape.series[i]``."""

    shape: Shape
    values: Sequence[float] = field(default=())

    def keep(self, indices: Sequence[int]) -> Family:
        """The family with only the samples at ``indices``."""
        if len(indices) == len(self.values):
            return self
        old = self.shape
        shape = Shape(old.name, old.kind, old.help, old.unit, tuple([old.series[index] for index in indices]))
        return Family(shape, [self.values[index] for index in indices])


def owned_names(name: str, kind: str) -> list[str]:
    """The names that no other family may have or use for a sample."""
    return [name, *(name + suffix for suffix in SUFFIXES.get(kind, ()))]


def in_order(families: Iterable[Family]) -> list[Family]:
    """Those of the catalogue in its order, then the others by name."""
    return sorted(families, key=lambda family: (_ORDER.get(family.shape.name, len(_ORDER)), family.shape.name))


def without(labels: Labels, name: str) -> Labels:
    """``labels`` without one of them."""
    return tuple([label for label in labels if label[0] != name])


def restrict(families: Iterable[Family], names: frozenset[str], *, whole_histograms: bool) -> list[Family]:
    """Only what is asked for: whole families by their name, or single samples by theirs.

    A part of a histogram is not valid OpenMetrics, so ``whole_histograms`` gives all of it for any of its names.
    """
    restricted = []
    for family in families:
        shape = family.shape
        whole = (
            whole_histograms and shape.kind == "histogram" and not names.isdisjoint(owned_names(shape.name, shape.kind))
        )
        if not whole and shape.name not in names:
            family = family.keep([index for index, series in enumerate(shape.series) if series.sample in names])
        if family.values:
            restricted.append(family)
    return restricted


def _prefix(series: Series) -> str:
    if not series.labels:
        return f"{series.sample} "
    labels = ",".join([f'{name}="{_escape(value)}"' for name, value in series.labels])
    return f"{series.sample}{{{labels}}} "


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
