"""One scrape, as `top` looks at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from ...catalogue import OTEL_NAMES, OTHER, UNROUTED

Labels = frozenset[tuple[str, str]]

_OURS: Final = "gunicorn_"
_DURATION: Final = "gunicorn_http_request_duration_seconds"
_NAMES: Final = {otel: name for name, otel in OTEL_NAMES.items()}
"""What the setting ``naming: otel`` calls otherwise."""
_LABELS: Final = {"http_request_method": "method", "http_route": "endpoint", "http_response_status_code": "status"}


@dataclass(frozen=True, slots=True)
class Exposition:
    """The samples of one scrape by name and labels. ``at`` is when it was taken, in seconds of a monotonic clock."""

    at: float
    samples: Mapping[str, Mapping[Labels, float]]

    def of(self, name: str) -> Mapping[Labels, float]:
        return self.samples.get(name, {})

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of ``name`` that have ``labels``."""
        wanted = labels.items()
        return sum(value for found, value in self.of(name).items() if wanted <= dict(found).items())


def parse(text: str, at: float) -> Exposition:
    """What ``text`` says, of Gunicorn alone. Raises ValueError if it is no exposition."""
    samples: dict[str, dict[Labels, float]] = defaultdict(dict)
    # Where both are, the others are an application's.
    names = {} if f"\n{_DURATION}_bucket" in text else _NAMES
    for family in text_string_to_metric_families("\n".join(_own_lines(text, (_OURS, *names)))):
        for sample in family.samples:
            name, _, suffix = sample.name.rpartition("_")
            if name in names:
                samples[f"{names[name]}_{suffix}"][_our_labels(sample.labels)] = sample.value
            else:
                samples[sample.name][frozenset(sample.labels.items())] = sample.value
    return Exposition(at, samples)


def _our_labels(labels: Mapping[str, str]) -> Labels:
    without_route = OTHER if "otel_metric_overflow" in labels else UNROUTED
    named = {_LABELS.get(name, name): value for name, value in labels.items()}
    return frozenset({"endpoint": without_route, **named}.items())


def _own_lines(text: str, prefixes: tuple[str, ...]) -> Iterator[str]:
    """The lines about Gunicorn: an application may have many metrics of its own, and parsing takes time."""
    for line in text.splitlines():
        name = line.split(" ", 3)[2] if line.startswith("# ") and line.count(" ") > 1 else line
        if name.startswith(prefixes):
            yield line
    yield ""
