"""The settings of what is recorded, in how much detail and how often."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import ENDPOINTS, seconds
from .setting import setting


@dataclass(frozen=True)
class RecordingSettings:
    """What of the traffic, and of the workers, becomes numbers."""

    excluded_endpoints: tuple[str, ...] = setting(
        (),
        "excluded_endpoints",
        "PROMETHEUS_EXCLUDED_ENDPOINTS",
        ENDPOINTS,
        "Endpoints whose requests only count as excluded; of requests without a route, their paths. "
        "A `*` stands for any text.",
    )
    sampler_interval: float = setting(
        1.0,
        "sampler_interval",
        "PROMETHEUS_SAMPLER_INTERVAL",
        seconds(0.1, 300),
        "Seconds between two looks at workers and listeners when nobody scrapes; at processes every fifth time.",
    )
