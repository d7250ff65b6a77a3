"""The gthread worker."""

from gunicorn.workers.gthread import ThreadWorker

from .mixin import PrometheusMixin


class PrometheusThreadWorker(PrometheusMixin, ThreadWorker):
    """Gunicorn's threaded worker, measured."""
