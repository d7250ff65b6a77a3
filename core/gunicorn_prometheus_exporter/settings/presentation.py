"""Settings of how the numbers are shown."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import LABELS
from .setting import setting


@dataclass(frozen=True)
class PresentationSettings:
    """How what is recorded is shown when it is scraped. See [Labels and names](presentation.md)."""

    constant_labels: tuple[tuple[str, str], ...] = setting(
        (),
        "constant_labels",
        "PROMETHEUS_CONSTANT_LABELS",
        LABELS,
        "Labels that all metrics get when they are scraped, those of the application too.",
    )
