"""The storage protocol: what holds named doubles, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable


@runtime_checkable
class StorageDictProtocol(Protocol):
    """Named doubles, each with the time it was set at, under the verbs of prometheus_client's ``MmapedDict``.

    A key is the JSON text that ``prometheus_client.mmap_dict.mmap_key`` makes of a metric's and a sample's name, the
    labels and the help. A timestamp is in Unix seconds, or 0.0 where the newest value does not matter. Whoever opens
    what was closed, or what its process did not live to close, finds everything that was written. There is one writer
    at a time, and it calls from one thread at a time. What an implementation must do is written down as a test that
    anybody can run: `gunicorn_prometheus_exporter.storage.contract.StorageDictContract`.
    """

    def read_value(self, key: str) -> tuple[float, float]:
        """The value and timestamp of ``key``, which is created with 0.0 and 0.0 if it is new."""

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set the value and timestamp of ``key``, which is created if it is new."""

    def read_all_values(self) -> Iterable[tuple[str, float, float]]:
        """Every key with its value and timestamp, in the order in which they were created."""

    def close(self) -> None:
        """Let go of it: nothing else is called from now on but this. What was written stays."""
