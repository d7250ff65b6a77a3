"""Families that are recorded only to derive others from, and never exposed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gunicorn_prometheus_exporter.catalogue import CATALOGUE, Family

ESCAPED_EXCEPTIONS: Final = Family(
    "gunicorn_http_escaped_exceptions",
    "counter",
    ("method", "endpoint", "error_type"),
    "Exceptions that left the application, so that the worker's own handling met them.",
    "legacy",
)
SLOT_EXITS: Final = Family(
    "gunicorn_worker_slot_exits",
    "counter",
    ("worker_id", "reason"),
    "Worker exits by slot and reason.",
    "legacy",
)
INTERNAL: Final[Mapping[str, Family]] = MappingProxyType(
    {family.name: family for family in (ESCAPED_EXCEPTIONS, SLOT_EXITS)}
)


def fits_catalogue(name: str, kind: str, labels: tuple[tuple[str, str], ...]) -> bool:
    """Whether a family of this name may have this type and these labels (without ``le``)."""
    family = CATALOGUE.get(name) or INTERNAL.get(name)
    return family is None or (family.kind == kind and {label for label, _ in labels} == set(family.labels))
