"""The gevent worker."""

from gunicorn.workers.ggevent import GeventWorker

from .connections import CountsConnections


class PrometheusGeventWorker(CountsConnections, GeventWorker):
    """Gunicorn's gevent worker, measured."""
