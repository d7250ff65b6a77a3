"""The value class behind the application's metrics: doubles in the segments of whichever slot the process has."""

from __future__ import annotations

import array
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import prometheus_client.values
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import mmap_key

from ..storage.segments import Segments


class AppValues:
    """Every value of the application's metrics in this process, and the segments they are in.

    Until the process has a slot, and again after a fork, each value is a private double that starts at zero. Once
    it is bound, it continues what it finds in the slot's segments, plus what happened to it in the meantime.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        """``on_failure`` must not log: a metric's lock may be held, and the application may count what it logs."""
        # Reentrant: a signal handler, or an object that is collected, may change a metric in the middle of these lines.
        self.lock = threading.RLock()
        self.late_binding: Callable[[], Segments | None] | None = None
        """Where a process that was forked by the application finds segments when it first writes a value."""
        self._on_failure = on_failure
        self._segments: Segments | None = None
        self._values: weakref.WeakSet[AppValue] = weakref.WeakSet()
        self._class: type[AppValue] = type("BoundAppValue", (AppValue,), {"__slots__": (), "_owner": self})

    def install(self, *, files_count: bool = True) -> None:
        """Make this the class of all values that prometheus_client creates from now on, and of those there are.

        What those of them have that are in files already counts on from there, or, without ``files_count``, from here.
        """
        if prometheus_client.values.ValueClass is not self._class:
            prometheus_client.values.ValueClass = self._class
            self._adopt(files_count=files_count)

    def bind(self, segments: Segments) -> None:
        """This process owns ``segments`` from now on: move every value into them."""
        with self.lock:
            self.late_binding = None
            self._segments = segments
            for value in tuple(self._values):
                value.attach()

    def segments_of(self, kind: str, mode: str) -> Any:
        """The segment for metrics of ``kind``, or None as long as there is none or it cannot be used."""
        if self._segments is None:
            return None
        try:
            return self._segments.get(kind, mode)
        except OSError as error:
            self._on_failure("app_metrics", error)
            return None

    def add(self, value: AppValue) -> None:
        with self.lock:
            self._values.add(value)
            value.attach()

    def failed(self, error: BaseException) -> None:
        self._on_failure("app_metrics", error)

    def after_fork(self, late_binding: Callable[[], Segments | None] | None) -> None:
        """In a forked child: the parent's segments are the parent's. Every value is private again."""
        self.lock = threading.RLock()
        self._segments = None
        self.late_binding = late_binding
        for value in tuple(self._values):
            value.detach()

    def bind_late(self) -> None:
        """Take segments now if the process was told where to find some. For a value that is about to change."""
        with self.lock:
            find, self.late_binding = self.late_binding, None
        if find is None:
            return
        segments = find()
        if segments is not None:
            self.bind(segments)

    def _adopt(self, *, files_count: bool) -> None:
        """Give the metrics that were created before, by a configuration file for instance, values of this class."""
        for metric in tuple(REGISTRY._collector_to_names):
            if isinstance(metric, MetricWrapperBase):
                for single in (metric, *getattr(metric, "_metrics", {}).values()):
                    _replace_values(single, files_count=files_count)


class AppValue:
    """One double of one sample, as prometheus_client's metrics expect it of their ``ValueClass``."""

    __slots__ = ("__weakref__", "_cells", "_index", "_key", "_kind", "_mode", "_touched")
    _multiprocess = True
    _owner: AppValues

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        self._kind = typ
        self._mode = multiprocess_mode if typ == "gauge" else ""
        self._key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self.detach()
        self._owner.add(self)

    def inc(self, amount: float) -> None:
        owner = self._owner
        if owner.late_binding is not None:
            owner.bind_late()
        with owner.lock:
            self._cells[self._index] += amount
            self._cells[self._index + 1] = 0.0
            self._touched = True

    def set(self, value: float, timestamp: float | None = None) -> None:
        owner = self._owner
        if owner.late_binding is not None:
            owner.bind_late()
        with owner.lock:
            self._cells[self._index] = value
            self._cells[self._index + 1] = timestamp or 0.0
            self._touched = True

    def get(self) -> float:
        return self._cells[self._index]

    def set_exemplar(self, exemplar: Any) -> None:
        """Exemplars are not kept, as in prometheus_client's own multiprocess mode."""

    def get_exemplar(self) -> None:
        return None

    def detach(self) -> None:
        """Become a private double of value zero."""
        self._cells: memoryview[float] = memoryview(array.array("d", (0.0, 0.0))).cast("B").cast("d")
        self._index = 0
        self._touched = False

    def attach(self) -> None:
        """Move into the owner's segment, if it has one. The owner's lock is held."""
        segment = self._owner.segments_of(self._kind, self._mode)
        if segment is None:
            return
        try:
            index = segment.index(self._key)
        except Exception as error:
            self._owner.failed(error)
            return
        value, timestamp = self._cells[self._index], self._cells[self._index + 1]
        self._cells, self._index = segment.cells, index
        if self._touched and self._kind != "gauge":
            self._cells[index] += value
        elif self._touched:
            self._cells[index], self._cells[index + 1] = value, timestamp


def _replace_values(metric: Any, *, files_count: bool) -> None:
    """Create the values of ``metric`` anew, with what they were unless that counts on in a file of their own."""
    old = _values_of(metric)
    if not old:
        return
    metric._metric_init()
    for before, after in zip(old, _values_of(metric), strict=True):
        if before.get() and not (before._multiprocess and files_count):
            after.set(before.get())


def _values_of(metric: Any) -> list[Any]:
    values = [vars(metric)[name] for name in ("_value", "_count", "_sum") if name in vars(metric)]
    return [value for value in (*values, *vars(metric).get("_buckets", ())) if hasattr(value, "_multiprocess")]
