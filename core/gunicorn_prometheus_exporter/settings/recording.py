"""The settings of what is recorded, in how much detail and how often."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalogue import Family
from .buckets import BUCKETS, Buckets
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
    buckets: tuple[Buckets, ...] = setting(
        (),
        "buckets",
        "PROMETHEUS_BUCKETS",
        BUCKETS,
        "Upper bounds of the buckets of histograms, by family and in its unit, instead of the default ones.",
    )
    sampler_interval: float = setting(
        1.0,
        "sampler_interval",
        "PROMETHEUS_SAMPLER_INTERVAL",
        seconds(0.1, 300),
        "Seconds between two looks at workers and listeners when nobody scrapes; at processes every fifth time.",
    )

    def in_force(self, family: Family) -> Family:
        """``family`` with the buckets that it has by these settings."""
        for chosen in self.buckets:
            if chosen.family == family.name:
                return replace(family, buckets=chosen.bounds)
        return family
