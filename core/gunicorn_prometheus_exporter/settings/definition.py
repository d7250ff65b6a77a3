"""Every setting, defined once: name, type, default, YAML key, environment variable and help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .kinds import BOOLEAN, METHODS, PORT, TEXT, Kind, integer

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")


def _setting(default: Any, yaml: str, environment: str, kind: Kind, help_text: str) -> Any:
    metadata = {"yaml": yaml, "environment": environment, "kind": kind, "help": help_text}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """The exporter's settings, as they are in force."""

    metrics_port: int = _setting(
        9091, "prometheus.metrics_port", "PROMETHEUS_METRICS_PORT", PORT, "Port of the metrics endpoint."
    )
    bind_address: str = _setting(
        "0.0.0.0",  # noqa: S104 - scraped from other hosts, as documented
        "prometheus.bind_address",
        "PROMETHEUS_BIND_ADDRESS",
        TEXT,
        "Address the metrics endpoint listens on.",
    )
    multiproc_dir: str | None = _setting(
        None,
        "prometheus.multiproc_dir",
        "PROMETHEUS_MULTIPROC_DIR",
        TEXT,
        "Directory of the metrics. Unset, each master makes a private one and removes it.",
    )
    sidecar_mode: bool = _setting(
        False, "sidecar_mode", "SIDECAR_MODE", BOOLEAN, "Store metrics but serve none: a sidecar does."
    )
    cleanup_db_files: bool = _setting(
        True,
        "cleanup.db_files",
        "CLEANUP_DB_FILES",
        BOOLEAN,
        "At start, remove what dead masters left, unless another one is alive in the directory.",
    )
    legacy_metrics: bool = _setting(
        True,
        "legacy_metrics",
        "PROMETHEUS_LEGACY_METRICS",
        BOOLEAN,
        "Also export the families by worker, derived from the recorded ones.",
    )
    time_to_first_byte: bool = _setting(
        False,
        "time_to_first_byte",
        "PROMETHEUS_TIME_TO_FIRST_BYTE",
        BOOLEAN,
        "Also record how long responses take to start.",
    )
    methods: tuple[str, ...] = _setting(
        DEFAULT_METHODS,
        "methods",
        "PROMETHEUS_METHODS",
        METHODS,
        "HTTP methods with a label value of their own; all others are _OTHER.",
    )
    max_series: int = _setting(
        2000,
        "limits.series",
        "PROMETHEUS_MAX_SERIES",
        integer(10, 100_000),
        "Label sets a family may have in each worker's storage; what is over counts as __other__.",
    )
    max_error_types: int = _setting(
        100,
        "limits.error_types",
        "PROMETHEUS_MAX_ERROR_TYPES",
        integer(1, 10_000),
        "Exception classes with a label value of their own in each worker; all others are __other__.",
    )


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting's definition, as the fields of `Settings` carry it."""

    name: str
    default: Any
    yaml: str
    environment: str
    kind: Kind
    help: str


def definitions() -> Iterator[Definition]:
    """All definitions, in the order of the reference."""
    for field in dataclasses.fields(Settings):
        metadata: Mapping[str, Any] = field.metadata
        yield Definition(
            field.name, field.default, metadata["yaml"], metadata["environment"], metadata["kind"], metadata["help"]
        )
