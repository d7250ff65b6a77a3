"""Errors: what fails, where and why."""

from __future__ import annotations

from .panels import AnyPanel, Look, Query, graph


def panels() -> list[AnyPanel]:
    """The panels of the row."""
    return [
        graph(
            "Failed requests by endpoint",
            "Requests per second with a status 5xx, the ten endpoints with most.",
            Look("reqps", stacked=True),
            Query(
                "topk(10, sum by (method, endpoint, status)"
                ' (rate(gunicorn_http_requests_total{status=~"5..|000",$target}[$__rate_interval])))',
                "{{status}} {{method}} {{endpoint}}",
            ),
        ),
        graph(
            "Refused by the application",
            "Requests per second with a status 4xx, the ten endpoints with most.",
            Look("reqps", stacked=True),
            Query(
                "topk(10, sum by (method, endpoint, status)"
                ' (rate(gunicorn_http_requests_total{status=~"4..",$target}[$__rate_interval])))',
                "{{status}} {{method}} {{endpoint}}",
            ),
        ),
        graph(
            "Share of failed requests",
            "Requests with a status 5xx by all requests. An objective of 99.9 % allows 0.1 % over a month.",
            Look("percentunit", warn=0.001, bad=0.0144),
            Query(
                'sum by (job) (rate(gunicorn_http_requests_total{status=~"5..|000",$target}[$__rate_interval]))'
                " / (sum by (job) (rate(gunicorn_http_requests_total{$target}[$__rate_interval])) > 0)",
                "{{job}}",
            ),
        ),
        graph(
            "Exceptions nobody handled",
            "Exceptions per second that reached the server or became a 500, by class and endpoint.",
            Look("ops", stacked=True),
            Query(
                "topk(10, sum by (error_type, endpoint)"
                ' (rate(gunicorn_http_exceptions_total{handled="false",$target}[$__rate_interval])))',
                "{{error_type}} {{endpoint}}",
            ),
        ),
        graph(
            "Exceptions handled",
            "Exceptions per second that an error handler made an answer of, by class and endpoint.",
            Look("ops", stacked=True),
            Query(
                "topk(10, sum by (error_type, endpoint)"
                ' (rate(gunicorn_http_exceptions_total{handled="true",$target}[$__rate_interval])))',
                "{{error_type}} {{endpoint}}",
            ),
        ),
        graph(
            "Responses cut short",
            "Responses per second that did not end: the client went away, or the application failed after its headers.",
            Look("ops", stacked=True),
            Query(
                "topk(10, sum by (method, endpoint)"
                " (rate(gunicorn_http_aborted_responses_total{$target}[$__rate_interval])))",
                "{{method}} {{endpoint}}",
            ),
        ),
        graph(
            "Malformed requests",
            "Requests that Gunicorn refused before the application saw them, by reason.",
            Look(bars=True),
            Query(
                "sum by (reason) (increase(gunicorn_http_parse_errors_total{$target}[$__interval])) > 0", "{{reason}}"
            ),
            width=12,
        ),
        graph(
            "Workers that hung, by endpoint",
            "What workers were serving when the master killed them for their timeout. All since the counters began.",
            Look(stacked=True),
            Query("sum by (endpoint) (gunicorn_worker_timeouts_total{$target})", "{{endpoint}}"),
            width=12,
        ),
    ]
