"""Which metrics PromQL names, and whether there are such metrics."""

from __future__ import annotations

import re
from collections.abc import Set

from gunicorn_prometheus_exporter.catalogue import CATALOGUE

_NAME = re.compile(r"(?<![\w:\"])(?:[a-z_]+:)*gunicorn_\w+(?::\w+)*")


def on_the_wire() -> set[str]:
    """Every name that a sample of the exporter may have."""
    names = set()
    for family in CATALOGUE.values():
        suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}[family.kind]
        names.update(family.name + suffix for suffix in suffixes)
    return names


def unknown_metrics(promql: str, recorded: Set[str]) -> set[str]:
    """The metrics of this project's kind in ``promql`` that nobody exports or records."""
    labels = {label for family in CATALOGUE.values() for label in family.labels}
    return set(_NAME.findall(promql)) - on_the_wire() - recorded - labels
