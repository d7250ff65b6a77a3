"""Redis: whether the numbers reach it. Empty where metrics are stored in files."""

from __future__ import annotations

from .panels import AnyPanel, Look, Query, graph, number


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        number(
            "Redis",
            "Whether the last exchange with Redis succeeded, for all instances. Requests never wait for it.",
            "min(gunicorn_exporter_redis_up{$target})",
            Look(warn=1, bad=0.5, names={"0": "down", "1": "up"}),
            width=6,
        ),
        graph(
            "Publish duration",
            "How long the last publish of each instance took.",
            Look("s", warn=0.5, bad=1),
            Query("gunicorn_exporter_redis_publish_duration_seconds{$target}", "{{instance}}"),
            width=9,
        ),
        graph(
            "Publishes that failed",
            "Nothing is lost by a publish that fails: the next one carries the same totals.",
            Look(bars=True),
            Query(
                "sum by (instance) (increase(gunicorn_exporter_redis_publish_failures_total{$target}[$__interval]))",
                "{{instance}}",
            ),
            width=9,
        ),
    ]
