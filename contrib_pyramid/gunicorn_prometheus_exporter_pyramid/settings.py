"""The bridge's settings, from those of the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pyramid.exceptions import ConfigurationError

PREFIX: Final = "gunicorn_prometheus_exporter."
LABELS: Final = ("pattern", "name")


class Settings(NamedTuple):
    """``label`` is one of `LABELS`. ``prefix`` has no slash at its end; None means that the mount point is found."""

    label: str = "pattern"
    prefix: str | None = None


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """The bridge's part of an application's ``settings``. Raises ConfigurationError for a wrong name or value."""
    ours = {key.removeprefix(PREFIX): value for key, value in settings.items() if key.startswith(PREFIX)}
    label = ours.pop("label", None) or "pattern"
    prefix = ours.pop("prefix", None)
    if ours:
        unknown = ", ".join(sorted(PREFIX + name for name in ours))
        known = ", ".join(PREFIX + name for name in Settings._fields)
        raise ConfigurationError(f"unknown setting: {unknown}. There are {known}.")
    if label not in LABELS:
        raise ConfigurationError(f"{PREFIX}label must be {' or '.join(map(repr, LABELS))}, not {label!r}")
    if prefix is not None and not (isinstance(prefix, str) and (not prefix or prefix.startswith("/"))):
        raise ConfigurationError(f"{PREFIX}prefix must be empty or start with a slash, not {prefix!r}")
    return Settings(label, None if prefix is None else prefix.rstrip("/"))
