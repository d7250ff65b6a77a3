"""The application's Info and Enum metrics, which prometheus_client keeps in the process only, mirrored in segments."""

from __future__ import annotations

import functools
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import REGISTRY, Enum, Info
from prometheus_client.mmap_dict import mmap_key

from ..storage.segment import SegmentFullError
from ..storage.segments import Segments

_MAX_SAMPLES: Final = 10_000
"""An Info is a new sample each time its values change, and a segment forgets none."""


class AppStates:
    """Writes each Info and Enum to segments of types ``info`` and ``stateset`` whenever it changes.

    The newest timestamp wins among the processes. A state that was only ever the default one has timestamp 0.0.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        self._on_failure = on_failure
        self._segments: Segments | None = None
        self._lock = threading.RLock()
        self._changed: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def install(self) -> None:
        """See every change from now on, by wrapping the two methods that make one."""
        Info.info = self._observing(Info.info)  # type: ignore[method-assign]
        Enum.state = self._observing(Enum.state)  # type: ignore[method-assign]

    def bind(self, segments: Segments) -> None:
        """This process owns ``segments`` from now on."""
        self._segments = segments
        self.mirror()

    def mirror(self) -> None:
        """Write the present state of every Info and Enum in prometheus_client's default registry."""
        for metric in _registered():
            self._write(metric)

    def after_fork(self) -> None:
        """In a forked child: the parent's segments are the parent's."""
        self._lock = threading.RLock()
        self._segments = None

    def _observing(self, method: Callable[..., None]) -> Callable[..., None]:
        if hasattr(method, "__wrapped__"):
            method = method.__wrapped__

        @functools.wraps(method)
        def observed(metric: Any, *args: Any, **kwargs: Any) -> None:
            method(metric, *args, **kwargs)
            self._changed[metric] = time.time()
            self._write(metric)

        return observed

    def _write(self, metric: Any) -> None:
        try:
            with self._lock:
                if self._segments is not None:
                    self._write_samples(self._segments, metric)
        except Exception as error:
            self._on_failure("app_metrics", error)

    def _write_samples(self, segments: Segments, metric: Any) -> None:
        if not metric._is_observable():
            return
        segment = segments.get(metric._type)
        timestamp = self._changed.get(metric, 0.0)
        base = dict(zip(metric._labelnames, metric._labelvalues, strict=True))
        for sample in metric._child_samples():
            labels = {**base, **sample.labels}
            name = metric._name + sample.name
            key = _key(metric, name, labels, base)
            if key in segment:
                if timestamp:
                    segment.write_value(key, sample.value, timestamp)
            elif len(segment) < _MAX_SAMPLES:
                segment.write_value(key, sample.value, timestamp)
            else:
                raise SegmentFullError(f"{metric._name} and others of its type have {_MAX_SAMPLES} samples")


def _key(metric: Any, name: str, labels: dict[str, str], base: dict[str, str]) -> str:
    """The storage key of one sample. That of a labelled Info also tells which labels are not its information."""
    if metric._type == "info" and base:
        return json.dumps([metric._name, name, labels, metric._documentation, list(base)], sort_keys=True)
    return mmap_key(metric._name, name, list(labels), list(labels.values()), metric._documentation)


def _registered() -> Iterator[Any]:
    for metric in tuple(REGISTRY._collector_to_names):
        if isinstance(metric, Info | Enum):
            yield metric
            yield from tuple(metric.__dict__.get("_metrics", {}).values())
