"""Writes docs/metrics.md, the reference of all metrics, from the catalogue in the code.

Usage: ``python scripts/metrics_reference.py`` writes the page; with ``--check`` it only says whether it is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gunicorn_prometheus_exporter.catalogue import CATALOGUE, Family

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

_INTRODUCTION: Final = """\
# Metrics

<!-- Written by `make reference` from core/gunicorn_prometheus_exporter/catalogue.py. Do not edit. -->

Counters end in `_total` on the wire. Units are base units. Labels:

- `method` is one of the known HTTP methods (setting `methods`), else `_OTHER`.
- `endpoint` is the route template, such as `/users/<int:id>`; `__unmatched__` if the router found nothing,
  `__unrouted__` if no bridge told, `__other__` over the cap (`gunicorn_exporter_dropped_series_total` counts those),
  `__excluded__` in timeouts of [excluded](more-control.md) endpoints.
- `status` is the three-digit code of the response. A request that failed before its response counts as `500`; one
  whose client went away before there was a response as `499`; `000` means that the application gave no valid status.
- `error_type` is the class name of the exception, or `__other__` over the cap.
- `worker_id` is the worker's slot: the lowest number that no other living worker has. A slot's next worker continues
  its counters, so they never go backwards and there are never more of them than workers lived at the same time.

A request's body is counted as far as the server took it off the connection for the application: a body that nobody
read counts as 0 bytes. A request that was in progress when its worker was killed is counted once the worker is gone,
with the status that it had reached; its sizes are lost. One that its worker was made to drop (`ABRT`, `INT`, `QUIT`)
ends with the exception `SystemExit`, which nobody handled. The page that the server sends for an exception that escaped
the application counts as the response's body.

In ASGI a request ends with the last message of its response's body: background tasks are no part of it, but their
exceptions are counted. A client that was gone before the response makes it a `499`, whatever the application answered.

Memory by PSS costs the kernel more than the rest, so it is read less often than a scrape may come, and a new worker
shows it a moment later. A connection that a client closes after its answer goes through gthread's pool once more, and
so counts there. A stock reader of the metrics directory also sees `gunicorn_http_escaped_exceptions_total` and
`gunicorn_worker_slot_exits_total`, from which families by worker are derived.

With the setting `naming: otel` durations, sizes and active requests have
[the names of OpenTelemetry](presentation.md#the-names-of-opentelemetry).

More queries are in [Monitoring](monitoring.md#questions-and-their-queries).
"""

_SECTIONS: Final = {
    "traffic": ("Traffic", "Summed over workers."),
    "websocket": (
        "Websockets",
        "Of the ASGI workers. A websocket is never a request: it is in none of the families above, nor in those of "
        "requests by worker. `direction` is `received` or `sent`. `code` is one of RFC 6455, or `3xxx`, `4xxx` or "
        "`other`; `1006` means that the connection was lost. Those that a killed worker had open are in no `closed`.",
    ),
    "saturation": ("Saturation", "A family that a worker class has no such thing for is absent, not zero."),
    "lifecycle": ("Lifecycle and master", ""),
    "exporter": ("The exporter itself", ""),
    "legacy": (
        "By worker, derived",
        "Computed at the scrape from what the families above recorded. `legacy_metrics: false` turns them off.",
    ),
}

# What people ask of each section first. Each query is run against a live Prometheus, as all of the pages.
_QUERIES: Final = {
    "traffic": (
        ("Requests a second, by endpoint", "sum by (endpoint) (rate(gunicorn_http_requests_total[5m]))"),
        (
            "The share of requests that failed",
            'sum by (job) (rate(gunicorn_http_requests_total{status=~"5..|000"}[5m]))\n'
            "/ sum by (job) (rate(gunicorn_http_requests_total[5m]))",
        ),
        (
            "The p95 of their duration, by endpoint",
            "histogram_quantile(0.95, sum by (endpoint, le) (rate(gunicorn_http_request_duration_seconds_bucket[5m])))",
        ),
        (
            "Exceptions that nobody handled, by class",
            'sum by (error_type) (increase(gunicorn_http_exceptions_total{handled="false"}[1h]))',
        ),
    ),
    "saturation": (
        ("The share of workers that are busy", "avg by (instance) (rate(gunicorn_worker_busy_seconds_total[5m]))"),
        (
            "Connections that no worker has accepted yet, as a share of what the kernel queues",
            "max by (instance) (gunicorn_listener_backlog / gunicorn_listener_backlog_limit)",
        ),
    ),
    "lifecycle": (
        ("Why workers ended in the last hour", "sum by (reason) (increase(gunicorn_worker_exits_total[1h])) > 0"),
        (
            "Processors that workers use",
            "sum by (instance) (rate(gunicorn_worker_cpu_seconds_total[5m]))",
        ),
        ("Memory of all workers", "sum by (instance) (gunicorn_worker_memory_pss_bytes)"),
    ),
    "exporter": (
        ("How long a scrape takes", "max by (instance) (gunicorn_exporter_scrape_duration_seconds)"),
        ("How many series a target has", "sum by (instance) (gunicorn_exporter_series)"),
    ),
}


def reference() -> str:
    """The page as text."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for section, (title, note) in _SECTIONS.items():
        yield f"## {title}\n"
        if note:
            yield f"{note}\n"
        yield "| name | type | labels | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from (_row(family) for family in CATALOGUE.values() if family.section == section)
        yield ""
        for question, query in _QUERIES.get(section, ()):
            yield f"{question}:\n\n```promql\n{query}\n```\n"


def _row(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
    meaning = family.help
    if family.buckets:
        meaning += " Buckets: " + " ".join(f"{bound:g}" if bound < 1e6 else f"{bound:.0f}" for bound in family.buckets)
    return f"| `{name}` | {family.kind} | {labels} | {meaning} |"


def main() -> int:
    """Write the page, or check it. Returns the exit status."""
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != reference():
            sys.stderr.write(f"{PAGE} is stale: run make reference\n")
            return 1
        return 0
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
