"""The soak: recycling workers, reloads, a scrape a second and clients that leave; then counts must be exact.

``python -m bench soak --minutes 30``. What must not grow is judged by its slope over the last three quarters; memory by
what it grew more than that of a bare Gunicorn, whose master grows with its reloads too.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from signal import SIGHUP
from typing import Final

import psutil
from prometheus_client.parser import text_string_to_metric_families

from . import variants as v
from .medians import slope
from .results import Figure, Line, Result, Table, Target, at_most
from .scale import Scale
from .servers import Server
from .soak_clients import Clients, Series
from .variants import Variant

MINUTES: Final = 30.0
RATE: Final = 60.0
SCRAPE_SECONDS: Final = 1.0
# As often that even in a short soak the first quarter has seen all there is: workers of every slot, old and new.
RELOADS: Final = 16
LONGEST_RELOAD_SECONDS: Final = 30.0
SAMPLE_EVERY: Final = 2
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
_SETTINGS: Final = {"workers": 3, "max_requests": 300, "max_requests_jitter": 60, "loglevel": "critical"}
_REQUESTS: Final = "gunicorn_http_requests_total"
TEXT: Final = """\
Three sync workers that end after 300 to 360 requests, a reload every half minute, a scrape every second, in both
formats and compressed; requests with and without bodies, 404s, exceptions, and 1 % of the clients reset the connection
in the middle of a response. At the end every count and every byte is compared with the clients' own. Memory is the
resident set, which unlike the proportional one does not change with the number of workers. A bare Gunicorn beside it,
reloaded as often, shows what Gunicorn itself grows by; its workers live from one reload to the next.
"""
_MASTER, _WORKER = "master memory, KiB", "a worker's memory, KiB"
_BARE: Final = {_MASTER: "a bare Gunicorn's master memory, KiB", _WORKER: "a bare Gunicorn's worker memory, KiB"}


@dataclass
class Samples:
    """What was seen over time: seconds, and by name the values."""

    seconds: list[float]
    values: dict[str, list[float]]

    def growth(self, name: str) -> float:
        """How much ``name`` grew in the time that was sampled, by its slope after the first quarter."""
        first = len(self.seconds) // 4
        return slope(self.seconds[first:], self.values[name][first:]) * (self.seconds[-1] - self.seconds[0])

    def own_growth(self, name: str) -> float:
        """How much ``name`` grew more than it did in a bare Gunicorn, where that is known."""
        return self.growth(name) - (self.growth(_BARE[name]) if name in _BARE else 0.0)


# How much each may grow over the whole soak, memory beyond a bare Gunicorn's: less than one of what is counted, and of
# memory what caches take.
LIMITS: Final = {
    _MASTER: 512.0,
    _WORKER: 512.0,
    "master descriptors": 0.9,
    "a worker's descriptors": 0.9,
    "master threads": 0.9,
    "files": 0.9,
    "KiB of files": 64.0,
    "samples in an exposition": 3.0,
}


def measure(scale: Scale, minutes: float = MINUTES, rate: float = RATE) -> Result:
    """Soak for so many minutes with ``rate`` requests a second, and judge."""
    variant = Variant("soak", "bench.apps.soak_site:app", worker_class=v.OURS_SYNC, path="/bytes/1")
    bare = Variant("soak, bare", "bench.apps.plain:bare()")
    cores = os.sched_getaffinity(0)
    with Server(variant, cores, settings=_SETTINGS) as server, Server(bare, cores, settings=_SETTINGS) as control:
        clients = Clients(server.port, rate=rate)
        # The one by which the server was seen to answer.
        clients.answered[Series("GET", "/bytes/<number>", "200")] = 1
        clients.received["/bytes/<number>"] = 1
        with clients:
            samples, backward = _watch(server, control, minutes * 60)
        wrong = _settled(server, clients)
        troubles = _errors(server)
    result = Result("soak", "Soak", TEXT)
    result.targets = [
        Target("Counts and bytes are the clients' own", f"{len(wrong)} differ", "none", not wrong),
        Target("Counters that went backwards between scrapes", str(backward), "none", backward == 0),
        Target("Requests without an answer", str(len(clients.unanswered)), "none", not clients.unanswered),
        Target("Errors the exporter counted", f"{troubles:.0f}", "none", troubles == 0),
        *(
            at_most(_growth_of(name), samples.own_growth(name), limit, f"at most {limit:g}", "")
            for name, limit in LIMITS.items()
        ),
    ]
    result.tables = [_table(samples, clients, minutes)]
    if wrong or clients.unanswered:
        rows = [[line] for line in [*wrong, *clients.unanswered][:20]]
        result.tables.append(Table("What is wrong", ["the first of it"], rows))
    lines = [
        Line(
            name.removesuffix(", KiB"), [s / 60 for s in samples.seconds], [kib / 1024 for kib in samples.values[name]]
        )
        for name in (_MASTER, _WORKER, *_BARE.values())
    ]
    result.figures = [Figure("soak_memory", "Memory during the soak", "minutes", "MiB", lines)]
    return result


def _growth_of(name: str) -> str:
    return f"Growth of {name}, beyond a bare Gunicorn's" if name in _BARE else f"Growth of {name}"


def _watch(server: Server, control: Server, seconds: float) -> tuple[Samples, int]:
    """Scrape, reload both and sample; returns the samples and how many counters went backwards."""
    samples = Samples([], {name: [] for name in (*LIMITS, *_BARE.values())})
    begin = time.monotonic()
    every = min(seconds / RELOADS, LONGEST_RELOAD_SECONDS)
    next_reload, backward, number = begin + every, 0, 0
    before: Counter[str] = Counter()
    while (now := time.monotonic()) < begin + seconds:
        openmetrics = number % 2 == 1
        text = server.get(accept=_OPENMETRICS if openmetrics else "")
        server.get(encoding="gzip")
        if not openmetrics:
            counters = _counters(text.decode())
            backward += sum(counters[series] < value for series, value in before.items())
            before = counters
        if number % SAMPLE_EVERY == 0:
            _sample(samples, server, control, now - begin, text.count(b"\n") - text.count(b"\n#") - 1)
        if now >= next_reload:
            server.signal(SIGHUP)
            control.signal(SIGHUP)
            next_reload += every
        number += 1
        time.sleep(max(begin + number * SCRAPE_SECONDS - time.monotonic(), 0))
    return samples, backward


def _sample(samples: Samples, server: Server, control: Server, seconds: float, lines: int) -> None:
    try:
        master, eldest = psutil.Process(server.pid), _eldest(server)
        files = [path.stat() for path in (server.home / "metrics").iterdir()]
        values = {
            _MASTER: _kib(master),
            _WORKER: _kib(eldest),
            "master descriptors": master.num_fds(),
            "a worker's descriptors": eldest.num_fds(),
            "master threads": master.num_threads(),
            "files": len(files),
            "KiB of files": sum(file.st_blocks for file in files) / 2,
            "samples in an exposition": lines,
            _BARE[_MASTER]: _kib(psutil.Process(control.pid)),
            _BARE[_WORKER]: _kib(_eldest(control)),
        }
    except (psutil.NoSuchProcess, FileNotFoundError, ValueError):
        # A worker ended in the middle: the next second will do.
        return
    if not all(values.values()):
        # What has ended and is not yet reaped has no memory.
        return
    samples.seconds.append(seconds)
    for name, value in values.items():
        samples.values[name].append(float(value))


def _eldest(server: Server) -> psutil.Process:
    return min(map(psutil.Process, server.workers()), key=psutil.Process.create_time)


def _kib(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1024)


def _counters(text: str) -> Counter[str]:
    return Counter(
        {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in text_string_to_metric_families(text)
            if family.type in {"counter", "histogram"}
            for sample in family.samples
        }
    )


def _settled(server: Server, clients: Clients) -> list[str]:
    """What differs from the clients' counts when all that was sent has been counted, which may take a moment."""
    deadline = time.monotonic() + 30
    while (wrong := differences(server.get().decode(), clients)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return wrong


def differences(text: str, clients: Clients) -> list[str]:
    """Every count and sum of bytes of the exposition ``text`` that is not the clients' own."""
    seen: Counter[Series] = Counter()
    received: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    aborted = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == _REQUESTS:
                seen[Series(labels["method"], labels["endpoint"], labels["status"])] += int(sample.value)
            elif sample.name == "gunicorn_http_response_size_bytes_sum":
                received[labels["endpoint"]] += int(sample.value)
            elif sample.name == "gunicorn_http_request_size_bytes_sum":
                sent[labels["endpoint"]] += int(sample.value)
            elif sample.name == "gunicorn_http_aborted_responses_total":
                aborted += sample.value
    expected = clients.answered.copy()
    expected[Series("GET", "/stream/<number>", "200")] = clients.aborted
    wrong = [
        f"{series}: {seen[series]}, sent {expected[series]}"
        for series in seen.keys() | expected.keys()
        if seen[series] != expected[series]
    ]
    for name, ours, theirs in (("received", received, clients.received), ("sent", sent, clients.sent)):
        wrong += [
            f"bytes {name}, {endpoint}: {ours[endpoint]}, clients {size}"
            for endpoint, size in theirs.items()
            if ours[endpoint] != size
        ]
    if aborted != clients.aborted:
        wrong.append(f"aborted: {aborted:.0f}, clients {clients.aborted}")
    return sorted(wrong)


def _errors(server: Server) -> float:
    families = text_string_to_metric_families(server.get().decode())
    return sum(s.value for family in families for s in family.samples if s.name == "gunicorn_exporter_errors_total")


def _table(samples: Samples, clients: Clients, minutes: float) -> Table:
    quarter = max(len(samples.seconds) // 4, 1)
    rows = []
    for name, values in samples.values.items():
        first, last = values[quarter : 2 * quarter] or values, values[-quarter:]
        rows.append(
            [
                name,
                f"{sum(first) / len(first):,.1f}",
                f"{sum(last) / len(last):,.1f}",
                f"{max(values):,.0f}",
                f"{samples.growth(name):+,.2f}",
            ]
        )
    note = f"{minutes:g} minutes, {clients.requests:,} requests, {clients.aborted:,} of them left by the client."
    return Table("What must not grow", ["", "second quarter", "last quarter", "most", "growth by slope"], rows, note)
