"""The floor: the least that a worker in Python can do and still have measured something.

Two readings of the clock, one search of a bucket list, thirty doubles packed into a memory map, which takes about
11,000 instructions. No labels, no locks, no sizes, no status: what any exporter written in Python must at least spend.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from struct import pack_into
from time import perf_counter
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DOUBLES: Final = 30
_FORMAT: Final = f"{_DOUBLES}d"


class _Floor:
    _map: mmap.mmap
    _values: list[float]

    def init_process(self) -> None:
        self._map = mmap.mmap(-1, 4096)
        self._values = [0.0] * _DOUBLES
        super().init_process()  # type: ignore[misc]

    def handle_request(self, *arguments: Any) -> Any:
        started = perf_counter()
        result = super().handle_request(*arguments)  # type: ignore[misc]
        seconds = perf_counter() - started
        values = self._values
        values[bisect_left(_BUCKETS, seconds)] += 1.0
        values[-1] += seconds
        pack_into(_FORMAT, self._map, 0, *values)
        return result


class FloorWorker(_Floor, SyncWorker):
    """The floor under the sync worker."""


class FloorThreadWorker(_Floor, ThreadWorker):
    """The floor under the gthread worker."""
