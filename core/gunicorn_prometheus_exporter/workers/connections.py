"""How many connections a worker has open, and how many it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..catalogue import CATALOGUE
from ..recorder.series import gauge_key, segment_for
from ..settings import Settings
from ..storage.segments import Segments
from .mixin import PrometheusMixin

_CONNECTIONS: Final = CATALOGUE["gunicorn_worker_connections"]
_LIMIT: Final = CATALOGUE["gunicorn_worker_connections_limit"]

if TYPE_CHECKING:
    from gunicorn.workers.base_async import AsyncWorker as _Base
else:
    _Base = object


class ConnectionsMeter:
    """The open connections of the worker whose ``segments`` these are, and their ``limit``, if there is one."""

    def __init__(self, segments: Segments, settings: Settings, limit: int | None = None) -> None:
        worker = {"worker_id": segments.owner}
        self._gauges = segment_for(segments, _CONNECTIONS, settings, "livesum")
        self._cell = self._gauges.index(gauge_key(_CONNECTIONS, worker))
        if limit is not None:
            limits = segment_for(segments, _LIMIT, settings, "livesum")
            limits.cells[limits.index(gauge_key(_LIMIT, worker))] = limit

    def set(self, connections: int) -> None:
        self._gauges.cells[self._cell] = connections


class CountsConnections(PrometheusMixin, _Base):
    """For gevent and eventlet: each connection has a greenlet of its own, which is in `handle` all its life.

    Greenlets switch only where they wait, so the count needs no lock. Each listener takes as many as the limit says.
    """

    _prometheus_connections: ConnectionsMeter | None = None
    _prometheus_open = 0

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        self._prometheus_count(1)
        try:
            super().handle(listener, client, addr)
        finally:
            self._prometheus_count(-1)

    def _prometheus_measure(self, segments: Segments, settings: Settings) -> None:
        limit = int(self.cfg.worker_connections) * len(self.sockets)
        self._prometheus_connections = ConnectionsMeter(segments, settings, limit)

    def _prometheus_count(self, change: int) -> None:
        self._prometheus_open += change
        if self._prometheus_connections is not None:
            self._prometheus_connections.set(self._prometheus_open)

    def _prometheus_concurrency(self) -> int:
        return int(self.cfg.worker_connections) * len(self.sockets)
