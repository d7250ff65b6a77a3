"""Overview: is it well, at first sight."""

from __future__ import annotations

from .panels import BLUE, GREEN, RED, YELLOW, AnyPanel, Look, Query, graph, number

# As the recording rule instance:gunicorn_saturation:ratio5m, so that the dashboard needs no rules: threads for
# gthread; the larger of connections and processor for event loops; busy time for sync.
_WORKERS = "(sum without (state) (gunicorn_workers{$target}) > 0)"
_THREADS = (
    "sum without (worker_id) (avg_over_time(gunicorn_worker_threads_busy{$target}[$__rate_interval]))"
    " / sum without (worker_id) (avg_over_time(gunicorn_worker_threads{$target}[$__rate_interval]))"
)
_CONNECTIONS = (
    "sum without (worker_id) (avg_over_time(gunicorn_worker_connections{$target}[$__rate_interval]))"
    " / sum without (worker_id) (avg_over_time(gunicorn_worker_connections_limit{$target}[$__rate_interval]))"
)
_CPU = (
    f"sum without (worker_id, mode) (rate(gunicorn_worker_cpu_seconds_total{{$target}}[$__rate_interval])) / {_WORKERS}"
)
_BUSY = f"sum without (worker_id) (rate(gunicorn_worker_busy_seconds_total{{$target}}[$__rate_interval])) / {_WORKERS}"
SATURATION = f"({_THREADS}) or (({_CONNECTIONS}) >= ({_CPU})) or (({_CPU}) and ({_CONNECTIONS})) or ({_BUSY})"

_REQUESTS = "sum(rate(gunicorn_http_requests_total{$target}[$__rate_interval]))"
_FAILED = 'sum(rate(gunicorn_http_requests_total{status=~"5..|000",$target}[$__rate_interval]))'


def _quantile(quantile: float) -> str:
    buckets = "sum by (le) (rate(gunicorn_http_request_duration_seconds_bucket{$target}[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {buckets})"


def _status(first: str, color: str) -> Query:
    matcher = f'status=~"{first}.."' if first != "5" else 'status=~"5..|000"'
    return Query(f"sum(rate(gunicorn_http_requests_total{{{matcher},$target}}[$__rate_interval]))", f"{first}xx", color)


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        number(
            "Requests",
            "Requests per second that reached the application, failed and aborted ones too.",
            f"{_REQUESTS} or vector(0)",
            Look("reqps"),
        ),
        number(
            "Failed",
            "Share of the requests that failed on the server (status 5xx).",
            f"({_FAILED} or vector(0)) / ({_REQUESTS} > 0) or vector(0)",
            Look("percentunit", warn=0.001, bad=0.01),
        ),
        number(
            "Duration p99",
            "99 % of the requests took at most this long, from entering the application to the last byte.",
            f"{_quantile(0.99)} > 0 or vector(0)",
            Look("s", warn=1, bad=5),
        ),
        number(
            "Saturation",
            "The busiest instance: how much of what its workers can do is used. Above 80 % requests soon wait.",
            f"max({SATURATION})",
            Look("percentunit", warn=0.8, bad=0.95, most=1),
        ),
        number(
            "Waiting",
            "Connections in the accept queues, that is waiting for a worker. 0 is normal.",
            "sum(gunicorn_listener_backlog{$target}) or vector(0)",
            Look(warn=1, bad=32),
        ),
        number(
            "Workers",
            "Workers that serve, idle or busy.",
            'sum(gunicorn_workers{state=~"idle|busy",$target})',
            Look(),
        ),
        number(
            "Workers missing",
            "Workers configured, less those that serve. For some seconds of a reload it is not 0.",
            'sum(gunicorn_workers_configured{$target}) - sum(gunicorn_workers{state=~"idle|busy",$target})',
            Look(warn=1, bad=2, least=None),
        ),
        number(
            "Alerts",
            "Alerts of this project that fire now; needs the alert rules in monitoring/prometheus/rules.",
            'count(ALERTS{alertname=~"Gunicorn.+",alertstate="firing"}) or vector(0)',
            Look(warn=1, bad=3),
        ),
        graph(
            "Requests by status",
            "Requests per second by the first digit of the status.",
            Look("reqps", stacked=True),
            _status("2", GREEN),
            _status("3", BLUE),
            _status("4", YELLOW),
            _status("5", RED),
        ),
        graph(
            "Duration",
            "How long requests took, over all endpoints. p99: 99 % took at most this long.",
            Look("s"),
            Query(_quantile(0.5), "p50", GREEN),
            Query(_quantile(0.9), "p90", YELLOW),
            Query(_quantile(0.99), "p99", RED),
        ),
        graph(
            "Saturation by instance",
            "How much of what its workers can do is used: threads for gthread; the larger of connections and processor"
            " for event loops; busy time for sync workers.",
            Look("percentunit", warn=0.8, bad=0.95, most=1),
            Query(SATURATION, "{{job}} {{instance}}"),
        ),
    ]
