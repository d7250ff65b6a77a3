"""The gthread worker."""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from ..settings import Settings
from ..storage.segments import Segments
from .connections import ConnectionsMeter
from .mixin import PrometheusMixin
from .pool import PoolMeter


class PrometheusThreadWorker(PrometheusMixin, ThreadWorker):
    """Gunicorn's threaded worker, measured.

    What is measured is the way of a connection into the pool and through it, not the pool, so that a
    ``get_thread_pool`` of the user's own may return any executor.
    """

    _prometheus_pool: PoolMeter | None = None
    _prometheus_connections: ConnectionsMeter | None = None

    def enqueue_req(self, conn: Any) -> None:
        pool = self._prometheus_pool
        if pool is None:
            super().enqueue_req(conn)
            return
        conn.prometheus_enqueued = pool.enqueue()
        try:
            super().enqueue_req(conn)
        except BaseException:
            pool.withdraw()
            raise

    def handle(self, conn: Any) -> Any:
        pool = self._prometheus_pool
        # A user's own `enqueue_req` need not come by ours.
        enqueued = getattr(conn, "prometheus_enqueued", None)
        if pool is None or enqueued is None:
            return super().handle(conn)
        pool.start(enqueued)
        try:
            return super().handle(conn)
        finally:
            pool.end()

    def notify(self) -> None:
        super().notify()
        if self._prometheus_connections is not None:
            self._prometheus_connections.set(self.nr_conns)

    def _prometheus_measure(self, segments: Segments, settings: Settings) -> None:
        # A user's own executor need not tell its size.
        threads = getattr(self.tpool, "_max_workers", int(self.cfg.threads))
        self._prometheus_pool = PoolMeter(segments, threads, settings)
        self._prometheus_connections = ConnectionsMeter(segments, settings, int(self.worker_connections))
