"""What a user is told about settings that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence


class SettingsError(RuntimeError):
    """Settings that cannot be used. ``problems`` holds one line for each: key, value, what is allowed, and where.

    Gunicorn prints a RuntimeError at start as one message and exits with status 1.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("gunicorn-prometheus-exporter cannot use its settings:\n  " + "\n  ".join(self.problems))
