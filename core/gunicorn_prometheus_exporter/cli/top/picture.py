"""What the difference of two scrapes says about a server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .exposition import Exposition, Labels

_REQUESTS: Final = "gunicorn_http_requests_total"
_DURATION: Final = "gunicorn_http_request_duration_seconds_bucket"
_RECEIVED: Final = "gunicorn_http_request_size_bytes_sum"
_SENT: Final = "gunicorn_http_response_size_bytes_sum"
_EXCEPTIONS: Final = "gunicorn_http_exceptions_total"
_BUSY: Final = "gunicorn_worker_busy_seconds_total"
_IN_PROGRESS: Final = "gunicorn_worker_requests_in_progress"
_BACKLOG: Final = "gunicorn_listener_backlog"
_EXITS: Final = "gunicorn_worker_exits_total"

Buckets = dict[float, float]


@dataclass(slots=True)
class Endpoint:
    """One route in the time between two scrapes. Rates are a second, quantiles in seconds (NaN without requests)."""

    name: str
    requests: float = 0.0
    errors: float = 0.0
    exceptions: float = 0.0
    received: float = 0.0
    sent: float = 0.0
    buckets: Buckets = field(default_factory=dict)

    @property
    def error_ratio(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    def quantile(self, share: float) -> float:
        return quantile(self.buckets, share)


@dataclass(slots=True)
class Worker:
    """One worker in that time. Ratios are of 1; ``memory`` in bytes, ``uptime`` in seconds; NaN: not known."""

    slot: str
    state: str = "-"
    requests: float = 0.0
    in_progress: float = 0.0
    busy: float = math.nan
    memory: float = math.nan
    cpu: float = math.nan
    uptime: float = math.nan


@dataclass(frozen=True, slots=True)
class Picture:
    """A server in the time between two scrapes."""

    seconds: float
    states: Mapping[str, float]
    configured: float
    busy: float
    in_progress: float
    backlogs: Mapping[str, tuple[float, float]]
    exits: Mapping[str, float]
    whole: Endpoint
    endpoints: list[Endpoint]
    workers: list[Worker]


def picture(before: Exposition, now: Exposition) -> Picture:
    """What happened between two scrapes of one server."""
    seconds = max(now.at - before.at, 1e-3)
    endpoints = _endpoints(before, now, seconds)
    whole = Endpoint("all")
    for endpoint in endpoints:
        _add(whole, endpoint)
    workers = _workers(before, now, seconds)
    busy = [worker.busy for worker in workers if not math.isnan(worker.busy)]
    return Picture(
        seconds=seconds,
        states={_label(labels, "state"): value for labels, value in now.of("gunicorn_workers").items()},
        configured=now.total("gunicorn_workers_configured"),
        busy=sum(busy) / len(busy) if busy else math.nan,
        in_progress=now.total(_IN_PROGRESS),
        backlogs={
            _label(labels, "listener"): (value, now.of(f"{_BACKLOG}_limit").get(labels, math.nan))
            for labels, value in now.of(_BACKLOG).items()
        },
        exits={_label(labels, "reason"): value for labels, value in now.of(_EXITS).items() if value},
        whole=whole,
        endpoints=endpoints,
        workers=workers,
    )


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """The value below which ``share`` of what the cumulative ``buckets`` counted lies, as histogram_quantile() has it.

    NaN if they counted nothing.
    """
    total = buckets.get(math.inf, 0.0)
    if not total:
        return math.nan
    rank, low, below = share * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count >= rank:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (count - below) if count > below else bound
        low, below = bound, count
    return low


def _endpoints(before: Exposition, now: Exposition, seconds: float) -> list[Endpoint]:
    found: dict[str, Endpoint] = {}

    def one(labels: Labels) -> Endpoint:
        name = _label(labels, "endpoint")
        return found.setdefault(name, Endpoint(name))

    for labels, change in _changes(before, now, _REQUESTS):
        endpoint = one(labels)
        endpoint.requests += change / seconds
        if _label(labels, "status").startswith("5"):
            endpoint.errors += change / seconds
    for labels, change in _changes(before, now, _EXCEPTIONS):
        one(labels).exceptions += change / seconds
    for labels, change in _changes(before, now, _RECEIVED):
        one(labels).received += change / seconds
    for labels, change in _changes(before, now, _SENT):
        one(labels).sent += change / seconds
    for labels, change in _changes(before, now, _DURATION):
        buckets, bound = one(labels).buckets, float(_label(labels, "le"))
        buckets[bound] = buckets.get(bound, 0.0) + change
    return list(found.values())


def _add(whole: Endpoint, part: Endpoint) -> None:
    whole.requests += part.requests
    whole.errors += part.errors
    whole.exceptions += part.exceptions
    whole.received += part.received
    whole.sent += part.sent
    for bound, count in part.buckets.items():
        whole.buckets[bound] = whole.buckets.get(bound, 0.0) + count


def _workers(before: Exposition, now: Exposition, seconds: float) -> list[Worker]:
    # Uptime is there for living workers alone.
    uptimes = now.of("gunicorn_worker_uptime_seconds")
    found = {
        _label(labels, "worker_id"): Worker(_label(labels, "worker_id"), uptime=value)
        for labels, value in uptimes.items()
    }
    for labels in now.of("gunicorn_worker_state"):
        if _label(labels, "worker_id") in found:
            found[_label(labels, "worker_id")].state = _label(labels, "state")
    for slot, change in _by_worker(_changes(before, now, "gunicorn_worker_requests_total"), found):
        slot.requests += change / seconds
    for slot, change in _by_worker(_changes(before, now, _BUSY), found):
        slot.busy = min(change / seconds, 1.0)
    for slot, value in _by_worker(now.of(_IN_PROGRESS).items(), found):
        slot.in_progress = value
    for slot, value in _by_worker(now.of("gunicorn_worker_memory_bytes").items(), found):
        slot.memory = value
    for slot, value in _by_worker(now.of("gunicorn_worker_cpu_percent").items(), found):
        slot.cpu = value / 100
    return sorted(found.values(), key=lambda worker: (len(worker.slot), worker.slot))


def _by_worker(
    samples: Iterable[tuple[Labels, float]], workers: Mapping[str, Worker]
) -> Iterable[tuple[Worker, float]]:
    for labels, value in samples:
        worker = workers.get(_label(labels, "worker_id"))
        if worker is not None:
            yield worker, value


def _changes(before: Exposition, now: Exposition, name: str) -> Iterable[tuple[Labels, float]]:
    """How much each counter of ``name`` has grown. One that fell has started anew."""
    old = before.of(name)
    for labels, value in now.of(name).items():
        start = old.get(labels, 0.0)
        yield labels, value - start if value >= start else value


def _label(labels: Labels, name: str) -> str:
    return dict(labels).get(name, "")
