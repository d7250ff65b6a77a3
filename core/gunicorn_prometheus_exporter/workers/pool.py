"""A gthread worker's pool of threads: how many are busy, what waits for one, and how long."""

from __future__ import annotations

import threading
from bisect import bisect_left
from time import monotonic
from typing import Final

from ..catalogue import CATALOGUE
from ..recorder.series import gauge_key, histogram_cells, segment_for
from ..settings import Settings
from ..storage.segments import Segments

_THREADS: Final = CATALOGUE["gunicorn_worker_threads"]
_BUSY: Final = CATALOGUE["gunicorn_worker_threads_busy"]
_QUEUE: Final = CATALOGUE["gunicorn_worker_pool_queue_length"]
_WAIT: Final = CATALOGUE["gunicorn_worker_pool_wait_seconds"]


class PoolMeter:
    """Measures the pool of the worker whose ``segments`` these are; ``threads`` is its size. Thread-safe.

    Every connection handed to the pool goes `enqueue`, `start`, `end`; or `enqueue`, `withdraw` if the pool refuses it.
    """

    def __init__(self, segments: Segments, threads: int, settings: Settings) -> None:
        wait = settings.in_force(_WAIT)
        self._bounds = wait.buckets
        worker = {"worker_id": segments.owner}
        self._busies, self._queues, sizes = (
            segment_for(segments, family, settings, "livesum") for family in (_BUSY, _QUEUE, _THREADS)
        )
        self._histograms = segment_for(segments, _WAIT, settings)
        self._waits = histogram_cells(self._histograms, wait, worker)
        self._busy_cell = self._busies.index(gauge_key(_BUSY, worker))
        self._queue_cell = self._queues.index(gauge_key(_QUEUE, worker))
        sizes.cells[sizes.index(gauge_key(_THREADS, worker))] = threads
        self._busy = 0
        self._queue = 0
        self._lock = threading.Lock()

    def enqueue(self) -> float:
        """A connection begins to wait for a thread. Returns when, for `start`."""
        with self._lock:
            self._queue += 1
            self._queues.cells[self._queue_cell] = self._queue
        return monotonic()

    def withdraw(self) -> None:
        """The pool took no connection after all."""
        with self._lock:
            self._queue -= 1
            self._queues.cells[self._queue_cell] = self._queue

    def start(self, enqueued: float) -> None:
        """A thread takes the connection that began to wait at ``enqueued``."""
        seconds = monotonic() - enqueued
        bucket = self._waits.buckets[bisect_left(self._bounds, seconds)]
        with self._lock:
            histograms = self._histograms.cells
            self._queue -= 1
            self._busy += 1
            self._queues.cells[self._queue_cell] = self._queue
            self._busies.cells[self._busy_cell] = self._busy
            histograms[bucket] += 1.0
            histograms[self._waits.sum] += seconds

    def end(self) -> None:
        """The thread is done with the connection."""
        with self._lock:
            self._busy -= 1
            self._busies.cells[self._busy_cell] = self._busy
