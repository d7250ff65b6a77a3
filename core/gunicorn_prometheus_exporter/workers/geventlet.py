"""The eventlet worker, which Gunicorn has up to 25."""

import eventlet

from ..gunicorn_versions import unpatched
from .connections import CountsConnections

with unpatched(eventlet):
    from gunicorn.workers.geventlet import EventletWorker


class PrometheusEventletWorker(CountsConnections, EventletWorker):
    """Gunicorn's eventlet worker, measured."""

    def patch(self) -> None:
        eventlet.monkey_patch()
        super().patch()
