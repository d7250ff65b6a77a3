"""Every setting, defined once: name, type, default, YAML key, environment variable and help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .endpoint import EndpointSettings
from .errors import shown
from .gunicorn import GunicornSettings
from .kinds import BOOLEAN, METHODS, TEXT, integer
from .presentation import PresentationSettings
from .recording import RecordingSettings
from .redis import RedisSettings
from .setting import Definition, Place, definitions_of
from .setting import setting as _setting

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")


@dataclass(frozen=True)
class MetricsSettings:
    """What is recorded, and where it is kept."""

    multiproc_dir: str | None = _setting(
        None,
        "prometheus.multiproc_dir",
        "PROMETHEUS_MULTIPROC_DIR",
        TEXT,
        "Directory of the metrics. Unset, each master makes a private one and removes it.",
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


@dataclass(frozen=True)
class Settings(
    GunicornSettings, RedisSettings, PresentationSettings, RecordingSettings, MetricsSettings, EndpointSettings
):
    """The exporter's settings, as they are in force.

    ``places`` tells where each that is given came from, by its name.
    """

    places: Mapping[str, Place] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def place(self, name: str) -> Place:
        """Where the setting ``name`` came from, or where it could be given. For a line of a SettingsError."""
        definition = _BY_NAME[name]
        return self.places.get(name) or Place(definition.environment, f"exporter.{definition.yaml}")

    def problem(self, name: str, allowed: str, detail: object = "") -> str:
        """One line for a SettingsError: the value of the setting ``name`` is not what is ``allowed``."""
        value = shown(getattr(self, name), secret=_BY_NAME[name].kind.secret)
        return f"{self.place(name)}: {value} is not {allowed}{': ' if detail else ''}{detail}"


_BY_NAME: Final = {definition.name: definition for definition in definitions_of(Settings)}


def definitions() -> Iterator[Definition]:
    """All definitions, in the order of the reference."""
    return iter(_BY_NAME.values())
