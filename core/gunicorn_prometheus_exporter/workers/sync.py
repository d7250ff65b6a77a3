"""The sync worker."""

from typing import Any

from gunicorn.workers.sync import SyncWorker

from .mixin import PrometheusMixin


class PrometheusWorker(PrometheusMixin, SyncWorker):
    """Gunicorn's sync worker, measured.

    It can do nothing else from a connection's acceptance to its end, so it is busy all that time, be it with reading
    the request or with closing. Under full load it never waits, and is not idle between connections either: so it is
    busy unless it waits, which costs nothing for each connection.
    """

    def run(self) -> None:
        if self._prometheus_recorder is not None:
            self._prometheus_recorder.hold()
        super().run()

    def wait(self, timeout: float) -> Any:
        recorder = self._prometheus_recorder
        if recorder is None:
            return super().wait(timeout)
        if recorder.is_held and len(self.sockets) > 1:
            # With several listeners Gunicorn asks after each connection, and under full load gets an answer at once.
            ready = super().wait(0.0)
            if ready:
                return ready
        recorder.release()
        ready = super().wait(timeout)
        if ready:
            recorder.hold()
        return ready
