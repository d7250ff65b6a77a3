"""Which buckets histograms are shown with: storage may have others, of earlier settings or of a server with its own.

A bucket that is none any more goes into the next larger one that is: what it counted was no more than that, so the
histogram is a right one, and the rates of buckets that both had, and of all that are recorded now, are exact.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from prometheus_client.utils import floatToGoString

from ..catalogue import BY_WORKER, CATALOGUE, OTEL_NAMES
from ..settings import Settings
from .entries import Key

Bounds = tuple[float, ...]
"""Rising, the last one is infinite."""

BucketsShown = Mapping[str, Bounds]
"""By family. One that is not there is shown with all buckets that it has."""


def buckets_shown(settings: Settings, *, given: bool = False) -> BucketsShown:
    """Those of all histograms that the exporter records and derives; or of those that are ``given`` in ``settings``.

    Who shows what other processes have recorded does not know more than that of their settings.
    """
    chosen = {buckets.family for buckets in settings.buckets}
    names = {family.name for family in CATALOGUE.values() if family.kind == "histogram"} - BY_WORKER.keys()
    if given:
        names &= chosen
    shown = {name: (*settings.in_force(CATALOGUE[name]).buckets, math.inf) for name in names}
    for derived, source in BY_WORKER.items():
        if source in shown:
            shown[derived] = common(derived, shown[source])
    return {**shown, **{OTEL_NAMES[name]: bounds for name, bounds in shown.items() if name in OTEL_NAMES}}


def common(derived: str, recorded: Bounds | set[float]) -> Bounds:
    """The documented bounds of a ``derived`` family that the ``recorded`` one has: it can know no others."""
    return (*[bound for bound in CATALOGUE[derived].buckets if bound in recorded], math.inf)


def shown_as(key: Key, bounds: Bounds | None) -> Key:
    """The bucket ``key``, or the one of ``bounds`` that it goes into."""
    if bounds is None or key.bound is None or key.bound in bounds:
        return key
    return with_bound(key, bounds[bisect_left(bounds, key.bound)])


def with_bound(key: Key, bound: float) -> Key:
    """The bucket of the same histogram up to ``bound``."""
    le = floatToGoString(bound)
    return replace(key, labels=tuple([(name, le if name == "le" else text) for name, text in key.labels]), bound=bound)
