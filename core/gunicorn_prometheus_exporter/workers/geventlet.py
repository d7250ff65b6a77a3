"""The eventlet worker, which Gunicorn has up to 25."""

from gunicorn.workers.geventlet import EventletWorker

from .mixin import PrometheusMixin


class PrometheusEventletWorker(PrometheusMixin, EventletWorker):
    """Gunicorn's eventlet worker, measured."""

    def _prometheus_concurrency(self) -> int:
        return int(self.cfg.worker_connections)
