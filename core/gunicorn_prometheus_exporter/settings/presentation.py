"""Settings of how the numbers are shown."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import BOOLEAN, LABELS, choice
from .setting import setting


@dataclass(frozen=True)
class PresentationSettings:
    """How what is recorded is shown when it is scraped. See [Labels and names](presentation.md)."""

    naming: str = setting(
        "prometheus",
        "naming",
        "PROMETHEUS_NAMING",
        choice("prometheus", "otel"),
        "otel: durations, sizes and active requests by the names of OpenTelemetry's conventions for HTTP.",
    )
    constant_labels: tuple[tuple[str, str], ...] = setting(
        (),
        "constant_labels",
        "PROMETHEUS_CONSTANT_LABELS",
        LABELS,
        "Labels that all metrics get when they are scraped, those of the application too.",
    )
    exemplars: bool = setting(
        False,
        "exemplars",
        "PROMETHEUS_EXEMPLARS",
        BOOLEAN,
        "Keep for each bucket of the durations the last trace, of those sampled, and show it in OpenMetrics.",
    )
