"""One scrape, as `top` looks at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]

_OURS: Final = "gunicorn_"


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
    for family in text_string_to_metric_families("\n".join(_own_lines(text))):
        for sample in family.samples:
            samples[sample.name][frozenset(sample.labels.items())] = sample.value
    return Exposition(at, samples)


def _own_lines(text: str) -> Iterator[str]:
    """The lines about Gunicorn: an application may have many metrics of its own, and parsing takes time."""
    for line in text.splitlines():
        name = line.split(" ", 3)[2] if line.startswith("# ") and line.count(" ") > 1 else line
        if name.startswith(_OURS):
            yield line
    yield ""
