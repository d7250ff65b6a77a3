"""The gevent worker."""

from gunicorn.workers.ggevent import GeventWorker

from .mixin import PrometheusMixin


class PrometheusGeventWorker(PrometheusMixin, GeventWorker):
    """Gunicorn's gevent worker, measured."""

    def _prometheus_concurrency(self) -> int:
        return int(self.cfg.worker_connections)
