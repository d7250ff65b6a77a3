"""Families that the serving process has in its own memory, beside those from storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import Metric

from ..catalogue import CATALOGUE
from .claims import Claims, fits_catalogue
from .entries import encodable, legal_label, legal_metric
from .families import Family, Series, Shape, without

_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
    "stateset": ("",),
    "summary": ("", "_count", "_sum"),
    "unknown": ("",),
}
_UNITLESS = frozenset({"info", "stateset"})
_JOINABLE = frozenset({"counter", "gauge"})


def family_of(metric: Metric) -> Family:
    """``metric`` with legal names and encodable text, sorted as merged families are.

    Time stamps, exemplars and ``_created`` samples are left out. Raises ValueError if the type or a sample is not one
    that can be exposed.
    """
    if metric.type not in _SUFFIXES:
        raise ValueError(f"family {metric.name!r} has the type {metric.type!r}")
    name = legal_metric(metric.name)
    part = {"histogram": "le", "summary": "quantile", "stateset": name}.get(metric.type, "")
    values: dict[Series, float] = {}
    for sample in metric.samples:
        suffix = sample.name.removeprefix(metric.name)
        if suffix in _SUFFIXES[metric.type]:
            labels = {legal_label(label): encodable(value) for label, value in sample.labels.items()}
            values.setdefault(Series(name + suffix, tuple(sorted(labels.items()))), float(sample.value))
        elif suffix != "_created":
            raise ValueError(f"sample {sample.name!r} in {metric.type} {metric.name!r}")
    ordered = sorted(
        values, key=lambda series: (without(series.labels, part), series.sample, _bound(series), series.labels)
    )
    shape = _shape(metric, name, tuple(ordered))
    if metric.type == "histogram":
        _check_histograms(shape)
    return Family(shape, [values[series] for series in ordered])


def join(
    families: Iterable[Family], live: Sequence[Family], claims: Claims, refused: frozenset[str]
) -> tuple[list[Family], list[str]]:
    """All families, and what of ``live`` was left out because of a conflict, as ``family (type)``.

    Live samples join a counter or gauge of the same name: equal counters are added up, of equal gauges the first stays.
    Families named in ``refused`` are never taken from ``live``.
    """
    joined = {family.shape.name: family for family in families}
    free = claims.copy()
    conflicts = []
    for family in live:
        name, kind = family.shape.name, family.shape.kind
        before = joined.get(name)
        if name in refused or not _fits(family.shape) or not free.take(name, kind):
            conflicts.append(f"{name} ({kind})")
        elif before is None:
            joined[name] = family
        elif kind == before.shape.kind and kind in _JOINABLE:
            joined[name] = _sum(before, family)
        else:
            conflicts.append(f"{name} ({kind})")
    return list(joined.values()), conflicts


def _shape(metric: Metric, name: str, series: tuple[Series, ...]) -> Shape:
    known = CATALOGUE.get(name)
    if known is not None:
        return Shape(name, metric.type, known.help, known.unit, series)
    has_unit = metric.type not in _UNITLESS and name.endswith(f"_{metric.unit}")
    return Shape(name, metric.type, encodable(metric.documentation), metric.unit if has_unit else "", series)


def _bound(series: Series) -> float:
    """The order of buckets, and of nothing else."""
    return float(dict(series.labels).get("le", "nan")) if series.sample.endswith("_bucket") else 0.0


def _check_histograms(shape: Shape) -> None:
    for group in shape.groups:
        ends = shape.series[group][-3:]
        complete = [series.sample for series in ends] == [shape.name + suffix for suffix in _SUFFIXES["histogram"]]
        if not complete or ("le", "+Inf") not in ends[0].labels:
            raise ValueError(f"an incomplete histogram in {shape.name!r}")


def _fits(shape: Shape) -> bool:
    return all(fits_catalogue(shape.name, shape.kind, without(series.labels, "le")) for series in shape.series)


def _sum(first: Family, second: Family) -> Family:
    values = dict(zip(first.shape.series, first.values, strict=True))
    for series, value in zip(second.shape.series, second.values, strict=True):
        if series not in values:
            values[series] = value
        elif first.shape.kind == "counter":
            values[series] += value
    old = first.shape
    return Family(Shape(old.name, old.kind, old.help, old.unit, tuple(values)), list(values.values()))
