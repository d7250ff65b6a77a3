"""Whether the bridge's tween is where it must be, in an application that lists its tweens itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pyramid.interfaces import ITweens
from pyramid.tweens import EXCVIEW

from .tweens import ERROR_TWEEN

logger = logging.getLogger(__package__)


def warn_of_misplaced_tween(registry: Any) -> None:
    """An explicit ``pyramid.tweens`` silently replaces what `add_tween` added."""
    tweens = registry.queryUtility(ITweens)
    explicit = tweens.explicit if tweens is not None else []
    fault = placement_fault([name for name, _ in explicit]) if explicit else ""
    if fault:
        logger.warning(
            "pyramid.tweens %s. gunicorn-prometheus-exporter misses exceptions until it stands below %s, there or "
            "further down the list.",
            fault,
            EXCVIEW,
        )


def placement_fault(names: Sequence[str]) -> str:
    """What is wrong with an explicit list of tweens, the outermost first; "" if nothing is."""
    if ERROR_TWEEN not in names:
        return f"lacks {ERROR_TWEEN}"
    if EXCVIEW in names and names.index(ERROR_TWEEN) < names.index(EXCVIEW):
        return f"has {ERROR_TWEEN} in the wrong place"
    return ""
