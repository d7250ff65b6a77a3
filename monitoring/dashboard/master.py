"""Master: what it was told, how long it lives, and how the exporter itself is."""

from __future__ import annotations

from .panels import AnyPanel, Column, Look, Query, graph, number, sheet

_VERSIONS = ("instance", "version", "gunicorn_version", "python_version", "worker_class", "storage")


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        number(
            "Youngest master",
            "Time since the last start of a master.",
            "min(time() - gunicorn_master_start_time_seconds{$target})",
            Look("s", warn=600, bad=60),
            width=4,
        ),
        number(
            "Reloads",
            "Configuration reloads (HUP) in the time shown.",
            "sum(increase(gunicorn_master_reloads_total{$target}[$__range])) or vector(0)",
            Look(),
            width=4,
        ),
        number(
            "Exporter's errors",
            "Failures of the exporter itself in the time shown. None of them reached a request.",
            "sum(increase(gunicorn_exporter_errors_total{$target}[$__range])) or vector(0)",
            Look(warn=1, bad=10),
            width=4,
        ),
        number(
            "Unreadable segments",
            "Storage segments that are truncated or corrupt.",
            "sum(gunicorn_exporter_unreadable_segments{$target})",
            Look(warn=1, bad=1),
            width=4,
        ),
        number(
            "Slowest scrape",
            "How long the exporter needs to read, merge and render; the slowest instance.",
            "max(gunicorn_exporter_scrape_duration_seconds{$target})",
            Look("s", warn=1, bad=5),
            width=4,
        ),
        number(
            "Storage",
            "Size of all storage segments.",
            "sum(gunicorn_exporter_storage_bytes{$target})",
            Look("bytes"),
            width=4,
        ),
        graph(
            "Signals",
            "Signals that the masters handled. chld: a worker ended.",
            Look(bars=True),
            Query("sum by (signal) (increase(gunicorn_master_signals_total{$target}[$__interval])) > 0", "{{signal}}"),
        ),
        graph(
            "Samples in a scrape",
            "How many samples each instance exports. It does not grow with restarts.",
            Look(),
            Query("gunicorn_exporter_series{$target}", "{{instance}}"),
        ),
        graph(
            "Series over the cap",
            "Observations counted as __other__ because their family has reached its cap of series, since the start.",
            Look(),
            Query(
                "sum by (instance, family) (gunicorn_exporter_dropped_series_total{$target})", "{{instance}} {{family}}"
            ),
        ),
        sheet(
            "What is running",
            "Versions, worker class and storage of each instance.",
            _VERSIONS,
            [Column("Masters", f"count by ({', '.join(_VERSIONS)}) (gunicorn_info{{$target}})", Look())],
        ),
    ]
