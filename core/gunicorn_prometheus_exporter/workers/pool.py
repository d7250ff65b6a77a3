"""A gthread worker's pool of threads: how many are busy, what waits for one, and how long."""

from __future__ import annotations

import threading
from bisect import bisect_left
from time import monotonic
from typing import Final

from ..catalogue import CATALOGUE
from ..gil import one_at_a_time
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
    Its threads would wait for each other at a lock, which costs much more than what is done here: lines without a call.
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

    @one_at_a_time
    def enqueue(self) -> float:
        """A connection begins to wait for a thread. Returns when, for `start`."""
        now = monotonic()
        # From here on no call: see the class.
        self._queue = queue = self._queue + 1
        self._queues.cells[self._queue_cell] = queue
        return now

    @one_at_a_time
    def withdraw(self) -> None:
        """The pool took no connection after all."""
        self._queue = queue = self._queue - 1
        self._queues.cells[self._queue_cell] = queue

    @one_at_a_time
    def start(self, enqueued: float) -> None:
        """A thread takes the connection that began to wait at ``enqueued``."""
        seconds = monotonic() - enqueued
        buckets, total = self._waits
        bucket = buckets[bisect_left(self._bounds, seconds)]
        # From here on no call: see the class.
        histograms = self._histograms.cells
        self._queue = queue = self._queue - 1
        self._busy = busy = self._busy + 1
        self._queues.cells[self._queue_cell] = queue
        self._busies.cells[self._busy_cell] = busy
        histograms[bucket] += 1.0
        histograms[total] += seconds

    @one_at_a_time
    def end(self) -> None:
        """The thread is done with the connection."""
        self._busy = busy = self._busy - 1
        self._busies.cells[self._busy_cell] = busy
