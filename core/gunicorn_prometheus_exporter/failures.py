"""The one place for the exporter's own failures: counted always, logged once for each cause, never raised."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

_MAX_CAUSES = 200
_MAX_UNLOGGED = 300

logger = logging.getLogger("gunicorn_prometheus_exporter")


class Failures:
    """Counts failures by component and logs the first of each cause through ``log``.

    ``count`` is told the component of each failure once it is there; until then they add up here. ``unlogged`` is what
    the next `flush` logs.
    """

    def __init__(self, log: Callable[[str], object] = logger.error) -> None:
        self._log = log
        self._causes: set[tuple[str, str, str]] = set()
        self._pending: Counter[str] = Counter()
        self.unlogged: list[tuple[Callable[[str], object], str]] = []
        self._sink: Callable[[str], object] | None = None
        self._lock = threading.Lock()

    def report(self, component: str, error: BaseException) -> None:
        """Count ``error`` under ``component``, and log it if it is the first of its kind."""
        self.count(component, error)
        self.flush()

    def count(self, component: str, error: BaseException) -> None:
        """Count ``error`` now and log it at the next `flush`. For threads that must not take a log's locks."""
        # An exception that was never raised has no place of origin: its message tells it from others.
        cause = (component, type(error).__name__, _origin(error) or str(error)[:200])
        with self._lock:
            if cause not in self._causes and len(self._causes) < _MAX_CAUSES:
                self._causes.add(cause)
                self.unlogged.append((self._log, _describe(cause, error)))
            sink = self._sink
            if sink is None:
                self._pending[component] += 1
        if sink is not None:
            self._deliver(sink, component)

    def announce(self, message: str) -> None:
        """Log ``message``, which is no failure, at the next `flush`. For threads too; a few are kept until then."""
        with self._lock:
            if len(self.unlogged) < _MAX_UNLOGGED:
                self.unlogged.append((logger.warning, message))

    def flush(self) -> None:
        """Log what was counted and not yet logged."""
        if not self.unlogged:
            return
        with self._lock:
            messages, self.unlogged = self.unlogged, []
        for log, message in messages:
            log(message)

    def send_to(self, sink: Callable[[str], object] | None) -> None:
        """Pass each failure's component to ``sink`` from now on, beginning with those counted before."""
        with self._lock:
            self._sink = sink
            pending, self._pending = (self._pending, Counter[str]()) if sink else (Counter[str](), self._pending)
        if sink is not None:
            for component in pending.elements():
                self._deliver(sink, component)

    def _deliver(self, sink: Callable[[str], object], component: str) -> None:
        try:
            sink(component)
        except Exception:
            # What keeps it from being counted, a full disk for instance, is mostly what is being reported.
            with self._lock:
                self._pending[component] += 1

    def after_fork(self) -> None:
        """In a forked child: start from nothing, with a lock that nobody holds."""
        self._lock = threading.Lock()
        self._sink = None
        self._pending.clear()
        self.unlogged = []


def _origin(error: BaseException) -> str:
    traceback = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


def _describe(cause: tuple[str, str, str], error: BaseException) -> str:
    component, kind, _ = cause
    origin = _origin(error)
    place = f" at {origin}" if origin else ""
    return (
        f"gunicorn-prometheus-exporter: {component} failed{place}: {kind}: {error}. Requests are not affected; "
        f'further failures of this kind are counted in gunicorn_exporter_errors_total{{component="{component}"}}.'
    )
