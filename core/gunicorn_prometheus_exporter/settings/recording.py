"""The settings of what is recorded, in how much detail and how often."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ..catalogue import BY_STATUS, ESCAPED_EXCEPTIONS, SLOT_EXITS, Family
from .buckets import BUCKETS, Buckets
from .families import FAMILIES
from .kinds import ENDPOINTS, seconds
from .setting import setting

_NEEDED_BY: Final = {
    ESCAPED_EXCEPTIONS.name: ("gunicorn_worker_error_handling",),
    SLOT_EXITS.name: (
        "gunicorn_worker_restart",
        "gunicorn_worker_restart_count",
        "gunicorn_master_worker_restart_count",
    ),
    **{recorded.name: (name,) for name, recorded in BY_STATUS.items()},
}
"""For which families those are recorded that are never shown."""


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
    disabled_families: tuple[str, ...] = setting(
        (),
        "disabled_families",
        "PROMETHEUS_DISABLED_FAMILIES",
        FAMILIES,
        "Metrics to switch off, with those that are derived from them. They are neither recorded nor shown.",
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

    def records(self, family: Family) -> bool:
        """Whether ``family`` is switched on. What only others are derived from is on if one of those is."""
        needed_by = _NEEDED_BY.get(family.name, (family.name,))
        return not self.disabled_families or any(name not in self.disabled_families for name in needed_by)

    def in_force(self, family: Family) -> Family:
        """``family`` with the buckets that it has by these settings."""
        for chosen in self.buckets:
            if chosen.family == family.name:
                return replace(family, buckets=chosen.bounds)
        return family
