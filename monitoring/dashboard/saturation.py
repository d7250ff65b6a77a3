"""Saturation: how busy the workers are, and what waits in front of them."""

from __future__ import annotations

from .panels import RED, AnyPanel, Look, Query, graph


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        graph(
            "Busy time by worker",
            "Share of the time in which a worker has at least one request. A sync worker at 100 % can do no more; other"
            " workers can take more requests at the same time.",
            Look("percentunit", most=1),
            Query("rate(gunicorn_worker_busy_seconds_total{$target}[$__rate_interval])", "{{instance}} #{{worker_id}}"),
        ),
        graph(
            "Requests at the same time",
            "Mean number of requests in progress (request seconds per second), and the current number.",
            Look(),
            Query(
                "sum by (instance) (rate(gunicorn_worker_request_seconds_total{$target}[$__rate_interval]))",
                "{{instance}} mean",
            ),
            Query("sum by (instance) (gunicorn_worker_requests_in_progress{$target})", "{{instance}} now"),
        ),
        graph(
            "Accept queue",
            "Connections that no worker has accepted yet, and how many the kernel queues at most. Where the queue is"
            " never empty, there are too few workers; where it is full, clients get timeouts.",
            Look(),
            Query("gunicorn_listener_backlog{$target}", "{{instance}} {{listener}}"),
            Query("min(gunicorn_listener_backlog_limit{$target})", "smallest limit", RED),
        ),
        graph(
            "Threads (gthread)",
            "Share of the threads that serve a connection.",
            Look("percentunit", warn=0.8, bad=0.95, most=1),
            Query(
                "sum by (instance) (gunicorn_worker_threads_busy{$target})"
                " / sum by (instance) (gunicorn_worker_threads{$target})",
                "{{instance}}",
            ),
        ),
        graph(
            "Waiting for a thread (gthread)",
            "How long connections waited for a thread of the worker that had accepted them: 95 % at most this long.",
            Look("s", warn=0.1, bad=0.5),
            Query(
                "histogram_quantile(0.95, sum by (instance, le)"
                " (rate(gunicorn_worker_pool_wait_seconds_bucket{$target}[$__rate_interval])))",
                "{{instance}} p95",
            ),
        ),
        graph(
            "Connections waiting for a thread (gthread)",
            "Connections that a worker has accepted and has no thread for.",
            Look(),
            Query("sum by (instance) (gunicorn_worker_pool_queue_length{$target})", "{{instance}}"),
        ),
        graph(
            "Connections (gthread, gevent, eventlet, ASGI)",
            "Open connections as a share of worker_connections.",
            Look("percentunit", warn=0.8, bad=0.95),
            Query(
                "sum by (instance) (gunicorn_worker_connections{$target})"
                " / sum by (instance) (gunicorn_worker_connections_limit{$target})",
                "{{instance}}",
            ),
        ),
        graph(
            "Proxy queue",
            "Time between the proxy's X-Request-Start or X-Queue-Start and the application: 95 % at most this long."
            " Empty where the proxy sends neither.",
            Look("s", warn=0.1, bad=0.5),
            Query(
                "histogram_quantile(0.95, sum by (instance, le)"
                " (rate(gunicorn_http_request_queue_seconds_bucket{$target}[$__rate_interval])))",
                "{{instance}} p95",
            ),
        ),
        graph(
            "Processor by worker",
            "Processor use of each worker, user and system. A Python process cannot use much more than 100 %.",
            Look("percentunit"),
            Query(
                "sum by (instance, worker_id) (rate(gunicorn_worker_cpu_seconds_total{$target}[$__rate_interval]))",
                "{{instance}} #{{worker_id}}",
            ),
        ),
    ]
