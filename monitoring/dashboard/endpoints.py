"""Endpoints: which one is slow, which one is called, which one takes the time."""

from __future__ import annotations

from .panels import AnyPanel, Column, Look, Query, graph, sheet

_BY = "by (method, endpoint)"
_RANGE = "[$__range]"


def _quantile(quantile: float) -> str:
    return (
        f"histogram_quantile({quantile}, sum by (method, endpoint, le)"
        f" (rate(gunicorn_http_request_duration_seconds_bucket{{$target}}{_RANGE})))"
    )


def _mean(family: str) -> str:
    return (
        f"sum {_BY} (rate({family}_sum{{$target}}{_RANGE})) / (sum {_BY} (rate({family}_count{{$target}}{_RANGE})) > 0)"
    )


def _failed() -> str:
    requests = f"sum {_BY} (rate(gunicorn_http_requests_total{{$target}}{_RANGE}))"
    failed = f'sum {_BY} (rate(gunicorn_http_requests_total{{status=~"5..|000",$target}}{_RANGE}))'
    return f"({failed} or {requests} * 0) / ({requests} > 0)"


def _top(expr: str) -> Query:
    return Query(f"topk(10, {expr})", "{{method}} {{endpoint}}")


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    seconds = f"sum {_BY} (rate(gunicorn_http_request_duration_seconds_sum{{$target}}{_RANGE}))"
    return [
        sheet(
            "Endpoints",
            "Over the time shown. Time is seconds of request per second: where it is large, there is most to gain.",
            ("method", "endpoint"),
            [
                Column("Requests", f"sum {_BY} (rate(gunicorn_http_requests_total{{$target}}{_RANGE}))", Look("reqps")),
                Column("Failed", _failed(), Look("percentunit", warn=0.001, bad=0.01)),
                Column("Time", seconds, Look("short")),
                Column("Mean", _mean("gunicorn_http_request_duration_seconds"), Look("s", warn=1, bad=5)),
                Column("p50", _quantile(0.5), Look("s", warn=1, bad=5)),
                Column("p95", _quantile(0.95), Look("s", warn=1, bad=5)),
                Column("p99", _quantile(0.99), Look("s", warn=1, bad=5)),
                Column("Received", _mean("gunicorn_http_request_size_bytes"), Look("bytes")),
                Column("Sent", _mean("gunicorn_http_response_size_bytes"), Look("bytes")),
            ],
            sort="Time",
        ),
        graph(
            "Slowest endpoints (p99)",
            "The ten endpoints with the longest p99.",
            Look("s"),
            _top(
                "histogram_quantile(0.99, sum by (method, endpoint, le)"
                " (rate(gunicorn_http_request_duration_seconds_bucket{$target}[$__rate_interval]))) > 0"
            ),
        ),
        graph(
            "Where the time goes",
            "The ten endpoints in which most requests are at any moment (request seconds per second).",
            Look(stacked=True),
            _top(f"sum {_BY} (rate(gunicorn_http_request_duration_seconds_sum{{$target}}[$__rate_interval]))"),
        ),
        graph(
            "Most requested",
            "The ten endpoints with most requests per second.",
            Look("reqps", stacked=True),
            _top(f"sum {_BY} (rate(gunicorn_http_requests_total{{$target}}[$__rate_interval]))"),
        ),
        graph(
            "Bytes received",
            "Body bytes received per second, the ten endpoints with most.",
            Look("Bps", stacked=True),
            _top(f"sum {_BY} (rate(gunicorn_http_request_size_bytes_sum{{$target}}[$__rate_interval]))"),
            width=12,
        ),
        graph(
            "Bytes sent",
            "Body bytes sent per second, the ten endpoints with most.",
            Look("Bps", stacked=True),
            _top(f"sum {_BY} (rate(gunicorn_http_response_size_bytes_sum{{$target}}[$__rate_interval]))"),
            width=12,
        ),
    ]
