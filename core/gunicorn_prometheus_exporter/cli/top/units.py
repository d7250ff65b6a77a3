"""Numbers for people to read."""

from __future__ import annotations

import math

_UNKNOWN = "-"


def rate(value: float) -> str:
    """A number a second."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def percent(ratio: float) -> str:
    return _UNKNOWN if math.isnan(ratio) else f"{100 * ratio:.0f}%" if ratio in (0, 1) else f"{100 * ratio:.1f}%"


def size(count: float) -> str:
    """Bytes."""
    if math.isnan(count):
        return _UNKNOWN
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def latency(seconds: float) -> str:
    if math.isnan(seconds):
        return _UNKNOWN
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def age(seconds: float) -> str:
    if math.isnan(seconds):
        return _UNKNOWN
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
