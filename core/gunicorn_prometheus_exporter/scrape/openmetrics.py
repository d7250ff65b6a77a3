"""What OpenMetrics forbids although an application may record it."""

from __future__ import annotations

from .families import Family

_is_not_negative = (0.0).__le__


def conforming(family: Family) -> Family:
    """``family`` without the samples that would make the whole exposition invalid.

    Those are counters below zero or not a number; the sum and count of a histogram whose sum is below zero or not a
    number, or that has a bucket below zero; and counts that are none, which only damaged storage has.
    """
    if family.shape.kind == "histogram":
        return family.keep(_of_histograms(family))
    if family.shape.kind == "summary":
        return family.keep(_of_summaries(family))
    if family.shape.kind == "counter" and not all(map(_is_not_negative, family.values)):
        return family.keep([index for index, value in enumerate(family.values) if value >= 0.0])
    return family


def _of_histograms(family: Family) -> list[int]:
    """The indices of the samples that can stay. In each group the last two are count and sum."""
    kept: list[int] = []
    for group in family.shape.groups:
        *buckets, _, total = family.values[group]
        indices = range(group.start, group.stop)
        if buckets[0] >= 0.0 and all(map(float.is_integer, buckets)) and buckets == sorted(buckets):
            first_bound = dict(family.shape.series[group.start].labels)["le"]
            kept += indices if total >= 0.0 and first_bound[0] != "-" else indices[:-2]
    return kept


def _of_summaries(family: Family) -> list[int]:
    counts = family.shape.name + "_count"
    return [
        index
        for index, (series, value) in enumerate(zip(family.shape.series, family.values, strict=True))
        if value >= 0.0 and (series.sample != counts or value.is_integer())
    ]
