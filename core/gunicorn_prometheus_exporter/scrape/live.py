"""Families that the serving process has in its own memory, beside those from storage."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from gunicorn_prometheus_exporter.catalogue import CATALOGUE
from gunicorn_prometheus_exporter.scrape.claims import Claims
from gunicorn_prometheus_exporter.scrape.entries import encodable, legal_label, legal_metric
from gunicorn_prometheus_exporter.scrape.families import SUFFIXES, Family, Series, Shape, without
from gunicorn_prometheus_exporter.scrape.internal import fits_catalogue

_KINDS = frozenset({"counter", "gauge", "histogram", "info", "stateset", "summary", "unknown"})
_LAST = {"_count": 1, "_sum": 2}


class FamilyConflict(Exception):
    """A family was left out, because another one has its name or one of its samples' names."""


def family_of(metric: Metric) -> Family:
    """``metric`` with legal names and encodable text.

    Time stamps, exemplars and ``_created`` samples are left out. Raises ValueError for a type or a sample name that
    the family cannot have.
    """
    if metric.type not in _KINDS:
        raise ValueError(f"family {metric.name!r} has the type {metric.type!r}")
    name = legal_metric(metric.name)
    samples: dict[Series, float] = {}
    for sample in metric.samples:
        if sample.name != metric.name + "_created":
            samples.setdefault(_series(metric, sample), float(sample.value))
    known = CATALOGUE.get(name)
    text, unit = (known.help, known.unit) if known else (encodable(metric.documentation), metric.unit)
    ordered = sorted(samples, key=_in_histogram if metric.type == "histogram" else _in_others)
    shape = Shape(name, metric.type, text, unit, tuple(ordered))
    return Family(shape, [samples[series] for series in ordered])
