"""Statistics of measurements that took turns: medians, and ratios of what was measured in the same round."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles


def ratios(values: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Each of ``values`` divided by that of ``reference`` of the same round."""
    return [value / other for value, other in zip(values, reference, strict=True)]


def ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """The median ratio. What slows the machine down for a while slows both down, and so does not count."""
    return median(ratios(values, reference))


def noise(values: Sequence[float], reference: Sequence[float]) -> float:
    """How far the ratio of two that are the same lies from 1: the farther end of the middle half of the rounds.

    A difference that is no larger says nothing.
    """
    found = ratios(values, reference)
    if len(found) < 2:
        return abs(found[0] - 1)
    low, _, high = quantiles(found, n=4, method="inclusive")
    return max(abs(low - 1), abs(high - 1))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """How fast ``y`` grows with ``x``: the median over all pairs of points, so that a step or two do not count."""
    pairs = [
        (x2 - x1, y2 - y1)
        for i, (x1, y1) in enumerate(zip(x, y, strict=True))
        for x2, y2 in zip(x[i + 1 :], y[i + 1 :], strict=True)
    ]
    rises = [rise / run for run, rise in pairs if run]
    return median(rises) if rises else 0.0
