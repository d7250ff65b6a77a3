"""Every metric family the exporter itself produces: name, type, labels, unit, help and buckets.

This is the contract. The recorder, the scrape, the reference page and the tests all read it from here.
A family's ``name`` is the OpenMetrics family name: counters carry no ``_total`` here and always do on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
Section = Literal["traffic", "websocket", "saturation", "lifecycle", "exporter", "legacy"]

UNMATCHED: Final = "__unmatched__"
UNROUTED: Final = "__unrouted__"
OTHER: Final = "__other__"
EXCLUDED: Final = "__excluded__"
OTHER_METHOD: Final = "_OTHER"
NO_STATUS: Final = "000"
"""The status of a response that had none, or one that is no number."""

INFINITY: Final = float("inf")
DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WEBSOCKET_DURATION_BUCKETS: Final = (1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
SIZE_BUCKETS: Final = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0)
LEGACY_DURATION_BUCKETS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LEGACY_SIZE_BUCKETS: Final = (1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family. ``buckets`` are upper bounds without ``+Inf``, in the unit of the family."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    section: Section
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The OpenMetrics unit, which is the last word of the name, or ``""``."""
        last = self.name.rsplit("_", 1)[-1]
        return last if last in {"seconds", "bytes"} else ""


def _catalogue(*families: Family) -> Mapping[str, Family]:
    return MappingProxyType({family.name: family for family in families})


def _traffic(name: str, kind: Kind, labels: str, text: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "traffic", buckets)


def _websocket(name: str, kind: Kind, labels: str, text: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "websocket", buckets)


def _saturation(name: str, kind: Kind, labels: str, text: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "saturation", buckets)


def _lifecycle(name: str, kind: Kind, labels: str, text: str) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "lifecycle")


def _exporter(name: str, kind: Kind, labels: str, text: str) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "exporter")


def _legacy(name: str, kind: Kind, labels: str, text: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(name, kind, tuple(labels.split()), text, "legacy", buckets)


CATALOGUE: Final = _catalogue(
    _traffic(
        "gunicorn_http_requests",
        "counter",
        "method endpoint status",
        "Requests that reached the application, failed and aborted ones too.",
    ),
    _traffic(
        "gunicorn_http_request_duration_seconds",
        "histogram",
        "method endpoint",
        "Time from entering the application to the last byte handed to the socket.",
        DURATION_BUCKETS,
    ),
    _traffic(
        "gunicorn_http_time_to_first_byte_seconds",
        "histogram",
        "method endpoint",
        "Time from entering the application to the start of its response.",
        DURATION_BUCKETS,
    ),
    _traffic(
        "gunicorn_http_request_size_bytes",
        "histogram",
        "method endpoint",
        "Body bytes received with a request, without framing.",
        SIZE_BUCKETS,
    ),
    _traffic(
        "gunicorn_http_response_size_bytes",
        "histogram",
        "method endpoint",
        "Body bytes sent with a response, without framing.",
        SIZE_BUCKETS,
    ),
    _traffic(
        "gunicorn_http_exceptions",
        "counter",
        "method endpoint error_type handled source",
        "Exceptions raised while a request was served, by class and by whether somebody handled them.",
    ),
    _traffic(
        "gunicorn_http_aborted_responses",
        "counter",
        "method endpoint",
        "Responses cut short: the client went away, or the application failed after headers were sent.",
    ),
    _traffic(
        "gunicorn_http_parse_errors",
        "counter",
        "reason",
        "Malformed requests refused before they reached the application.",
    ),
    _traffic(
        "gunicorn_http_request_queue_seconds",
        "histogram",
        "",
        "Time between the proxy's X-Request-Start or X-Queue-Start and the application, from trusted peers only.",
        DURATION_BUCKETS,
    ),
    _traffic(
        "gunicorn_http_excluded_requests",
        "counter",
        "",
        "Requests and websockets of excluded endpoints, which are in no other family of traffic.",
    ),
    _websocket("gunicorn_websocket_open", "gauge", "endpoint", "Websockets open now."),
    _websocket("gunicorn_websocket_opened", "counter", "endpoint", "Websockets that the application accepted."),
    _websocket(
        "gunicorn_websocket_refused",
        "counter",
        "endpoint status",
        "Handshakes refused, by the status of the answer; 499 if the client went away before there was one.",
    ),
    _websocket(
        "gunicorn_websocket_closed",
        "counter",
        "endpoint code",
        "Websockets closed, by the first close code that either side gave.",
    ),
    _websocket(
        "gunicorn_websocket_duration_seconds",
        "histogram",
        "endpoint",
        "Time from accepting a websocket to its close.",
        WEBSOCKET_DURATION_BUCKETS,
    ),
    _websocket(
        "gunicorn_websocket_messages",
        "counter",
        "endpoint direction",
        "Messages that the application received or sent.",
    ),
    _websocket(
        "gunicorn_websocket_message_bytes",
        "counter",
        "endpoint direction",
        "Payload of those messages, text as UTF-8, without framing and before compression.",
    ),
    _websocket(
        "gunicorn_websocket_exceptions",
        "counter",
        "endpoint error_type handled source",
        "Exceptions raised while a websocket was served, by class and by whether somebody handled them.",
    ),
    _saturation(
        "gunicorn_worker_requests_in_progress",
        "gauge",
        "worker_id",
        "Requests in progress, each until its last byte.",
    ),
    _saturation(
        "gunicorn_worker_busy_seconds",
        "counter",
        "worker_id",
        "Time with at least one request in progress, up to now; of a sync worker, with a connection.",
    ),
    _saturation(
        "gunicorn_worker_request_seconds",
        "counter",
        "worker_id",
        "Summed time of all requests, so that its rate is the mean concurrency.",
    ),
    _saturation("gunicorn_worker_threads", "gauge", "worker_id", "Size of the thread pool (gthread)."),
    _saturation("gunicorn_worker_threads_busy", "gauge", "worker_id", "Threads serving a connection (gthread)."),
    _saturation(
        "gunicorn_worker_pool_queue_length",
        "gauge",
        "worker_id",
        "Connections waiting for a thread (gthread).",
    ),
    _saturation(
        "gunicorn_worker_pool_wait_seconds",
        "histogram",
        "worker_id",
        "How long connections waited for a thread (gthread).",
        DURATION_BUCKETS,
    ),
    _saturation(
        "gunicorn_worker_connections",
        "gauge",
        "worker_id",
        "Open client connections (all but sync).",
    ),
    _saturation(
        "gunicorn_worker_connections_limit",
        "gauge",
        "worker_id",
        "The most client connections the worker accepts (gthread, gevent, eventlet).",
    ),
    _saturation("gunicorn_workers", "gauge", "state", "Workers by state: booting, idle, busy or draining."),
    _saturation("gunicorn_workers_configured", "gauge", "", "Workers the master tries to keep alive."),
    _saturation("gunicorn_listener_backlog", "gauge", "listener", "Connections waiting to be accepted."),
    _saturation(
        "gunicorn_listener_backlog_limit",
        "gauge",
        "listener",
        "The most connections the kernel queues for the listener.",
    ),
    _lifecycle("gunicorn_worker_exits", "counter", "reason", "Worker exits by reason."),
    _lifecycle("gunicorn_workers_spawned", "counter", "", "Workers forked."),
    _lifecycle(
        "gunicorn_worker_timeouts",
        "counter",
        "endpoint",
        "Workers killed for their timeout, by the endpoint they were serving.",
    ),
    _lifecycle("gunicorn_master_signals", "counter", "signal", "Signals the master handled."),
    _lifecycle("gunicorn_master_reloads", "counter", "", "Configuration reloads (HUP)."),
    _lifecycle("gunicorn_worker_cpu_seconds", "counter", "worker_id mode", "CPU time by mode: user or system."),
    _lifecycle(
        "gunicorn_worker_memory_pss_bytes",
        "gauge",
        "worker_id",
        "Memory of the worker, with each shared page divided by how many processes share it (Linux).",
    ),
    _lifecycle(
        "gunicorn_worker_start_time_seconds",
        "gauge",
        "worker_id",
        "Unix time at which the worker was forked.",
    ),
    _lifecycle("gunicorn_master_start_time_seconds", "gauge", "", "Unix time at which the master started."),
    _lifecycle(
        "gunicorn_info",
        "gauge",
        "version gunicorn_version python_version worker_class storage",
        "Always 1; the labels tell what is running.",
    ),
    _exporter(
        "gunicorn_exporter_scrape_duration_seconds",
        "gauge",
        "",
        "How long the previous scrape took to read, merge and render.",
    ),
    _exporter("gunicorn_exporter_series", "gauge", "", "Samples in this exposition."),
    _exporter(
        "gunicorn_exporter_dropped_series",
        "counter",
        "family",
        "Observations counted under an overflow label because the family reached its cap of series.",
    ),
    _exporter(
        "gunicorn_exporter_errors",
        "counter",
        "component",
        "Failures of the exporter itself; none of them reached a request.",
    ),
    _exporter(
        "gunicorn_exporter_unreadable_segments",
        "gauge",
        "",
        "Storage segments skipped by this scrape because they were truncated or corrupt.",
    ),
    _exporter("gunicorn_exporter_storage_bytes", "gauge", "", "Size of all storage segments."),
    _exporter("gunicorn_exporter_redis_up", "gauge", "", "1 if the last exchange with Redis succeeded."),
    _exporter(
        "gunicorn_exporter_redis_publish_duration_seconds",
        "gauge",
        "",
        "How long the last publish to Redis took.",
    ),
    _exporter("gunicorn_exporter_redis_publish_failures", "counter", "", "Publishes to Redis that failed."),
    _legacy("gunicorn_worker_requests", "counter", "worker_id", "Requests that reached the application, by worker."),
    _legacy(
        "gunicorn_worker_request_duration_seconds",
        "histogram",
        "worker_id",
        "Request duration by worker.",
        LEGACY_DURATION_BUCKETS,
    ),
    _legacy(
        "gunicorn_worker_request_size_bytes",
        "histogram",
        "worker_id",
        "Request body size by worker.",
        LEGACY_SIZE_BUCKETS,
    ),
    _legacy(
        "gunicorn_worker_response_size_bytes",
        "histogram",
        "worker_id",
        "Response body size by worker.",
        LEGACY_SIZE_BUCKETS,
    ),
    _legacy(
        "gunicorn_worker_failed_requests",
        "counter",
        "worker_id method endpoint error_type",
        "Requests whose exception nobody handled.",
    ),
    _legacy(
        "gunicorn_worker_error_handling",
        "counter",
        "worker_id method endpoint error_type",
        "Exceptions that a framework's error handler or the worker's own handled.",
    ),
    _legacy("gunicorn_worker_memory_bytes", "gauge", "worker_id", "Resident memory of the worker."),
    _legacy("gunicorn_worker_cpu_percent", "gauge", "worker_id", "CPU use of the worker since the previous sample."),
    _legacy("gunicorn_worker_uptime_seconds", "gauge", "worker_id", "Time since the worker was forked."),
    _legacy(
        "gunicorn_worker_state",
        "gauge",
        "worker_id state timestamp",
        "The worker's current state, since the Unix second in timestamp.",
    ),
    _legacy("gunicorn_worker_restart", "counter", "worker_id reason", "Exits of this worker slot by reason."),
    _legacy(
        "gunicorn_worker_restart_count",
        "counter",
        "worker_id restart_type reason",
        "Exits of this worker slot by reason and by whether they were graceful or forced.",
    ),
    _legacy("gunicorn_master_worker_restart", "counter", "reason", "Signals handled by the master."),
    _legacy(
        "gunicorn_master_worker_restart_count",
        "counter",
        "worker_id reason restart_type",
        "Worker exits as the master saw them.",
    ),
)

BY_WORKER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gunicorn_worker_request_duration_seconds": "gunicorn_http_request_duration_seconds",
        "gunicorn_worker_request_size_bytes": "gunicorn_http_request_size_bytes",
        "gunicorn_worker_response_size_bytes": "gunicorn_http_response_size_bytes",
    }
)
"""The histograms that are derived, and from which ones."""

ESCAPED_EXCEPTIONS: Final = _legacy(
    "gunicorn_http_escaped_exceptions",
    "counter",
    "method endpoint error_type",
    "Exceptions that left the application. Recorded for the legacy families, not exported.",
)
SLOT_EXITS: Final = _legacy(
    "gunicorn_worker_slot_exits",
    "counter",
    "worker_id reason",
    "Exits of a worker slot. Recorded for the legacy families, not exported.",
)


def _by_status(name: str, recorded: str) -> Family:
    family = CATALOGUE[name]
    labels = (*family.labels, "status", "scheme")
    return Family(recorded, family.kind, labels, family.help, family.section, family.buckets)


BY_STATUS: Final[Mapping[str, Family]] = MappingProxyType(
    {
        name: _by_status(name, recorded)
        for name, recorded in {
            "gunicorn_http_request_duration_seconds": "gunicorn_http_request_duration_by_status_seconds",
            "gunicorn_http_request_size_bytes": "gunicorn_http_request_size_by_status_bytes",
            "gunicorn_http_response_size_bytes": "gunicorn_http_response_size_by_status_bytes",
        }.items()
    }
)
"""In place of the families that are the keys, with ``naming: otel``: what OpenTelemetry's conventions tell apart."""

INTERNAL: Final = _catalogue(ESCAPED_EXCEPTIONS, SLOT_EXITS, *BY_STATUS.values())
"""Families that are recorded so that others can be derived from them, and never exported."""

_OTEL_LABELS: Final = (
    "http_request_method http_route http_response_status_code url_scheme error_type otel_metric_overflow"
)
OTEL: Final = _catalogue(
    _traffic(
        "http_server_request_duration_seconds",
        "histogram",
        _OTEL_LABELS,
        "Duration of HTTP server requests.",
        DURATION_BUCKETS,
    ),
    _traffic("http_server_active_requests", "gauge", "", "Number of active HTTP server requests."),
    _traffic(
        "http_server_request_body_size_bytes",
        "histogram",
        _OTEL_LABELS,
        "Size of HTTP server request bodies.",
        SIZE_BUCKETS,
    ),
    _traffic(
        "http_server_response_body_size_bytes",
        "histogram",
        _OTEL_LABELS,
        "Size of HTTP server response bodies.",
        SIZE_BUCKETS,
    ),
)
"""What OpenTelemetry's semantic conventions for HTTP call it, shown with ``naming: otel``."""

OTEL_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gunicorn_http_request_duration_seconds": "http_server_request_duration_seconds",
        "gunicorn_http_request_size_bytes": "http_server_request_body_size_bytes",
        "gunicorn_http_response_size_bytes": "http_server_response_body_size_bytes",
    }
)
"""By which of those names the families that are the keys are shown."""

LABEL_NAMES: Final = frozenset(
    {
        *(label for family in (*CATALOGUE.values(), *INTERNAL.values(), *OTEL.values()) for label in family.labels),
        *("le", "quantile", "pid", "instance_id"),
    }
)
"""Names of labels that samples may have before an application's own: no other meaning can be given to them."""
