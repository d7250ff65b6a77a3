"""Segments made by hand, and by prometheus_client itself."""

from __future__ import annotations

import json
import struct
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict

from gunicorn_prometheus_exporter.storage.names import SegmentName, parse_segment_name

Entry = tuple[str, str, Mapping[str, str], float]
"""Metric, sample, labels, value."""


def key(metric: str, sample: str, labels: Mapping[str, object] | None = None, text: str = "Help.") -> bytes:
    return json.dumps([metric, sample, labels or {}, text], sort_keys=True).encode()


def packed(*entries: tuple[bytes, float] | tuple[bytes, float, float]) -> bytes:
    """A segment's used part."""
    body = b""
    for raw, value, *timestamp in entries:
        padding = b" " * (8 - (len(raw) + 4) % 8)
        body += struct.pack("=i", len(raw)) + raw + padding + struct.pack("=dd", value, *(timestamp or [0.0]))
    return struct.pack("=ii", 8 + len(body), 0) + body


class MemorySegment:
    """A segment that is what the test says."""

    def __init__(self, filename: str, data: bytes, *, identity: Hashable = 1, alive: bool = True) -> None:
        name = parse_segment_name(filename)
        assert name is not None
        self.name: SegmentName = name
        self.data = data
        self.identity: Hashable = identity
        self.alive = alive

    def read(self) -> bytes | memoryview:
        return memoryview(self.data)

    def read_into(self, memory: memoryview) -> int:
        read = self.read()[: len(memory)]
        memory[: len(read)] = read
        return len(read)


class MemorySource:
    def __init__(self, *segments: MemorySegment) -> None:
        self.segments = list(segments)

    def scan(self) -> Sequence[MemorySegment]:
        return self.segments


def write(directory: Path, filename: str, entries: Iterable[Entry], *, timestamp: float = 0.0) -> None:
    """Write, or go on writing, a segment file with prometheus_client."""
    file = MmapedDict(str(directory / filename))
    for metric, sample, labels, value in entries:
        file.write_value(key(metric, sample, labels).decode(), value, timestamp)
    file.close()


def samples(metrics: Iterable[Metric]) -> dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    """Families by name, with values by sample name and labels. Fails if anything is there twice."""
    families: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]] = {}
    for metric in metrics:
        assert metric.name not in families
        values = families[metric.name] = {}
        for sample in metric.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in values
            values[series] = sample.value
    return families


def value(metrics: Iterable[Metric], sample: str, **labels: str) -> float | None:
    for family in samples(metrics).values():
        if (sample, frozenset(labels.items())) in family:
            return family[sample, frozenset(labels.items())]
    return None
