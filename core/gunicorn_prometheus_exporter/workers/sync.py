"""The sync worker."""

from typing import Any

from gunicorn.workers.sync import SyncWorker

from .mixin import PrometheusMixin


class PrometheusWorker(PrometheusMixin, SyncWorker):
    """Gunicorn's sync worker, measured.

    It can do nothing else from a connection's acceptance to its end, so it is busy all that time, be it with reading
    the request or with closing. Under full load it never waits, and is not idle between connections either.
    """

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        if self._prometheus_recorder is not None:
            self._prometheus_recorder.hold()
        super().handle(listener, client, addr)

    def wait(self, timeout: float) -> Any:
        if self._prometheus_recorder is not None and self._prometheus_recorder.is_held:
            # With several listeners Gunicorn asks after each connection, and under full load gets an answer at once.
            ready = super().wait(0.0)
            if ready:
                return ready
            self._prometheus_recorder.release()
        return super().wait(timeout)
