"""A metrics directory as many workers leave it, whose values can all be changed at once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.utils import floatToGoString

from gunicorn_prometheus_exporter.catalogue import DURATION_BUCKETS, SIZE_BUCKETS

Families = Literal["application", "exporter"]
Entry = tuple[str, str, dict[str, str]]
"""Metric, sample, labels."""
Block = tuple[str, list[Entry]]
"""The type and mode in a file's name, and entries that a metric writes together."""

if TYPE_CHECKING:
    Cells = memoryview[float]

_HELP: Final = "Something that is counted or measured."


class Fleet:
    """Files of ``workers`` workers in ``directory``, about ``series`` series each, written by prometheus_client itself.

    ``application`` families are counters, histograms and live gauges; ``exporter`` families those that a worker of ours
    writes for as many endpoints as that takes. With ``own_order`` each worker met its series in another order.
    """

    def __init__(self, directory: Path, *, workers: int, series: int, families: Families, own_order: bool) -> None:
        self._chance = random.Random(1)
        self._cells: list[tuple[Cells, list[int], bool]] = []
        self._files: list[MmapedDict] = []
        blocks = list(_application(series) if families == "application" else _exporter(series))
        self._kinds = len({kind for kind, _ in blocks})
        self.series = sum(len(entries) for _, entries in blocks)
        for worker in range(1, workers + 1):
            if own_order:
                self._chance.shuffle(blocks)
            self._write(directory, worker, blocks)

    @property
    def bytes_of_one(self) -> int:
        """How much of its files one worker has used."""
        workers = len(self._files) // self._kinds
        return int(sum(file._used for file in self._files)) // workers

    def change(self) -> None:
        """Change the value of every series of every worker: counts by whole numbers, sums by fractions."""
        for cells, indices, whole in self._cells:
            step = float(self._chance.randrange(1, 1000)) if whole else self._chance.random()
            for index in indices:
                cells[index] += step

    def close(self) -> None:
        for cells, _, _ in self._cells:
            cells.release()
        for file in self._files:
            file.close()

    def _write(self, directory: Path, worker: int, blocks: list[Block]) -> None:
        files: dict[str, MmapedDict] = {}
        keys: dict[str, dict[bool, list[str]]] = {}
        for kind, entries in blocks:
            if kind not in files:
                files[kind] = MmapedDict(str(directory / f"{kind}_{worker}.db"))
                keys[kind] = {True: [], False: []}
            for metric, sample, labels in entries:
                key = json.dumps([metric, sample, labels, _HELP], sort_keys=True)
                whole = not sample.endswith("_sum")
                value = self._chance.randrange(10_000) if whole else self._chance.random() * 1000
                files[kind].write_value(key, float(value), 0.0)
                keys[kind][whole].append(key)
        for kind, file in files.items():
            self._files.append(file)
            cells: Cells = memoryview(file._m).cast("d")
            for whole, named in keys[kind].items():
                positions = [file._positions[key] // 8 for key in named]
                self._cells.append((cells, positions, whole))


def _application(series: int) -> Iterator[Block]:
    """Four tenths counters, five tenths histograms, one tenth gauges."""
    for number in range(series * 4 // 10):
        labels = {"method": "GET", "endpoint": f"/api/v1/{number}", "status": "200"}
        yield "counter", [("app_requests", "app_requests_total", labels)]
    for number in range(series * 5 // 10 // (len(DURATION_BUCKETS) + 2)):
        yield "histogram", _histogram("app_duration_seconds", DURATION_BUCKETS, {"endpoint": f"/e{number}"})
    for number in range(series // 10):
        yield "gauge_livesum", [("app_queue", "app_queue", {"queue": str(number)})]


def _exporter(series: int) -> Iterator[Block]:
    """Three statuses and three histograms for each of as many endpoints as fit."""
    histograms = {
        "gunicorn_http_request_duration_seconds": DURATION_BUCKETS,
        "gunicorn_http_request_size_bytes": SIZE_BUCKETS,
        "gunicorn_http_response_size_bytes": SIZE_BUCKETS,
    }
    of_one = 3 + sum(len(buckets) + 2 for buckets in histograms.values())
    for number in range(max(series // of_one, 1)):
        labels = {"method": "GET", "endpoint": f"/api/v1/things{number}/<int:id>"}
        name = "gunicorn_http_requests"
        yield "counter", [(name, f"{name}_total", {**labels, "status": status}) for status in ("200", "404", "500")]
        for histogram, buckets in histograms.items():
            yield "histogram", _histogram(histogram, buckets, labels)


def _histogram(name: str, bounds: tuple[float, ...], labels: dict[str, str]) -> list[Entry]:
    limits = [floatToGoString(bound) for bound in (*bounds, float("inf"))]
    buckets: list[Entry] = [(name, f"{name}_bucket", {**labels, "le": limit}) for limit in limits]
    return [(name, f"{name}_sum", labels), *buckets]
