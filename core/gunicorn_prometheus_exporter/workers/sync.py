"""The sync worker."""

from gunicorn.workers.sync import SyncWorker

from .mixin import PrometheusMixin


class PrometheusWorker(PrometheusMixin, SyncWorker):
    """Gunicorn's sync worker, measured."""
