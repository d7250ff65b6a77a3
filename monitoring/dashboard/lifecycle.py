"""Lifecycle: how many workers there are, why they end, how they grow."""

from __future__ import annotations

from .panels import BLUE, GREEN, PURPLE, RED, YELLOW, AnyPanel, Look, Query, graph

_STATES = {"idle": GREEN, "busy": BLUE, "booting": YELLOW, "draining": PURPLE}


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        graph(
            "Workers by state",
            "Idle and busy workers serve. The line is how many are configured.",
            Look(),
            *(
                Query(f'sum(gunicorn_workers{{state="{state}",$target}})', state, color)
                for state, color in _STATES.items()
            ),
            Query("sum(gunicorn_workers_configured{$target})", "configured", RED),
        ),
        graph(
            "Worker exits by reason",
            "max_requests, reload, scale_down and shutdown are normal. timeout: it hung. sigkill: mostly the kernel,"
            " for want of memory. The rest: it failed.",
            Look(bars=True),
            Query("sum by (reason) (increase(gunicorn_worker_exits_total{$target}[$__interval])) > 0", "{{reason}}"),
        ),
        graph(
            "Workers started",
            "Workers that were forked.",
            Look(bars=True),
            Query(
                "sum by (instance) (increase(gunicorn_workers_spawned_total{$target}[$__interval])) > 0", "{{instance}}"
            ),
        ),
        graph(
            "Memory by worker",
            "Memory of each worker, with each shared page divided by how many processes share it (Linux).",
            Look("bytes"),
            Query("gunicorn_worker_memory_pss_bytes{$target}", "{{instance}} #{{worker_id}}"),
        ),
        graph(
            "Memory by instance",
            "Memory of all workers of an instance, shared pages counted once (Linux).",
            Look("bytes"),
            Query("sum by (instance) (gunicorn_worker_memory_pss_bytes{$target})", "{{instance}}"),
        ),
        graph(
            "Age of workers",
            "Time since each worker was forked. A line that falls to 0 is a new worker in the same slot.",
            Look("s"),
            Query("time() - gunicorn_worker_start_time_seconds{$target}", "{{instance}} #{{worker_id}}"),
        ),
    ]
