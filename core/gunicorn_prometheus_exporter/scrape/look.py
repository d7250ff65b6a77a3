"""How what is read is shown, as settings say it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from ..settings import Settings
from .buckets import BucketsShown, buckets_shown
from .entries import Labels


class Look(TypedDict):
    """Arguments of a `Scraper`, which tells what they mean. Scrapers with equal ones show the same."""

    legacy: bool
    naming: str
    constant_labels: Labels
    buckets: BucketsShown
    exemplars: bool
    disabled: Collection[str]


def look_of(settings: Settings, *, given: bool = False) -> Look:
    """The look that ``settings`` describe; ``given`` is for who shows what others recorded (see `buckets_shown`)."""
    return Look(
        legacy=settings.legacy_metrics,
        naming=settings.naming,
        constant_labels=settings.constant_labels,
        buckets=buckets_shown(settings, given=given),
        exemplars=settings.exemplars,
        disabled=settings.disabled_families,
    )
