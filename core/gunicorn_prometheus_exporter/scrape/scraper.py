"""One scrape from end to end: read, derive, merge, join, render."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from ..catalogue import CATALOGUE, INTERNAL, OTEL_NAMES
from .buckets import BucketsShown
from .constant_labels import ConstantLabels
from .derive import DERIVED, Deriver
from .entries import Labels
from .exemplars import Exemplars, Marks
from .families import Family, in_order, restrict
from .live import family_of, join
from .merge import Merger
from .naming import NAMINGS
from .openmetrics import conforming
from .own import OWN, counted, own_families
from .reader import Reader
from .readings import Readings, ReadingSource
from .render import Renderer
from .source import ExemplarSource, SegmentSource

COMPONENT = "scrape"
_LEGACY = frozenset(family.name for family in CATALOGUE.values() if family.section == "legacy")


class FamilyConflict(Exception):
    """A family was left out: its name, or one of its samples', belongs to another, or its type or labels are wrong."""


def _ignore(component: str, error: BaseException) -> None:
    pass


class Scraper:
    """Answers scrapes from ``source``. Thread-safe; scrapes run one after the other.

    ``legacy`` adds the families of the catalogue's legacy section; ``naming`` is a name in `NAMINGS`; every sample
    gets ``constant_labels``; histograms are shown with their ``buckets`` (`buckets_shown`), and families that are
    ``disabled`` not at all. With ``exemplars`` OpenMetrics has those of the source, if it is an `ExemplarSource`. Each
    of ``extra`` gives families from this process's memory. ``on_failure`` is told what went wrong without stopping the
    scrape, each conflict of families once.
    """

    def __init__(
        self,
        source: SegmentSource | ReadingSource,
        *,
        legacy: bool = True,
        naming: str = "prometheus",
        constant_labels: Labels = (),
        buckets: BucketsShown | None = None,
        exemplars: bool = False,
        disabled: Collection[str] = (),
        extra: Sequence[Callable[[], Iterable[Metric]]] = (),
        on_failure: Callable[[str, BaseException], None] = _ignore,
    ) -> None:
        self._naming = NAMINGS[naming]
        # Where the name is not ours, an application may have it.
        disabled = frozenset([*disabled, *(self._naming.families.keys() & {OTEL_NAMES.get(name) for name in disabled})])
        hidden = disabled.union(INTERNAL) if legacy else disabled.union(_LEGACY, INTERNAL)
        self._source = source
        self._disabled = disabled
        self._extra = tuple(extra)
        self._on_failure = on_failure
        self._reader = Reader()
        self._deriver = Deriver(buckets or {}, disabled) if legacy else None
        made_here = DERIVED | OWN | self._naming.families.keys()
        self._merger = Merger(hidden=hidden, made_here=made_here, naming=self._naming, buckets=buckets or {})
        self._constant = ConstantLabels(constant_labels) if constant_labels else None
        self._exemplars = Exemplars(self._naming) if exemplars else None
        self._renderer = Renderer()
        self._refused = hidden | made_here
        self._reported: frozenset[str] = frozenset()
        self._duration = 0.0
        self._lock = threading.Lock()

    def render(self, *, openmetrics: bool = False, names: Collection[str] = ()) -> bytes:
        """The exposition, in UTF-8: OpenMetrics 1.0, or else Prometheus text 0.0.4.

        ``names`` restricts it to families, or single samples, of these names. Raises nothing because of what storage
        contains.
        """
        live = self._live()
        with self._lock:
            started = time.perf_counter()
            families = self._families(live)
            if openmetrics:
                families = [conforming(family) for family in families]
            if names:
                families = restrict(families, frozenset(names), whole_histograms=openmetrics)
            families = counted(families)
            marks = self._marks(families) if openmetrics else None
            families = self._labelled(families)
            exposition = self._renderer.openmetrics(families, marks) if openmetrics else self._renderer.text(families)
            self._duration = time.perf_counter() - started
        return exposition

    def collect(self) -> Iterable[Metric]:
        """The same families for a prometheus_client registry."""
        live = self._live()
        with self._lock:
            started = time.perf_counter()
            metrics = [_metric(family) for family in self._labelled(counted(self._families(live)))]
            self._duration = time.perf_counter() - started
        return metrics

    def _families(self, live: Sequence[Family]) -> list[Family]:
        found = self._read()
        derived = self._deriver.derive(found.readings) if self._deriver is not None else []
        merged = self._merger.merge(found.readings, derived)
        families, conflicts = join(merged.families, live, merged.claims, self._refused)
        self._report(merged.conflicts.union(conflicts))
        own = [
            family
            for family in own_families(duration=self._duration, unreadable=found.unreadable, size=found.size)
            if family.shape.name not in self._disabled
        ]
        return in_order([*families, *own, *self._naming.more(families)])

    def _marks(self, families: list[Family]) -> Marks | None:
        if self._exemplars is None or not isinstance(self._source, ExemplarSource):
            return None
        try:
            return self._exemplars.marks(self._source.exemplars(), families)
        except OSError as error:
            self._on_failure(COMPONENT, error)
            return None

    def _labelled(self, families: list[Family]) -> list[Family]:
        return families if self._constant is None else list(map(self._constant.on, families))

    def _read(self) -> Readings:
        if isinstance(self._source, ReadingSource):
            return self._source.readings()
        try:
            segments = self._source.scan()
        except OSError as error:
            segments = ()
            self._on_failure(COMPONENT, error)
        return self._reader.read(segments)

    def _live(self) -> list[Family]:
        """What this process has in memory. Whatever fails there must not cost the scrape."""
        families: list[Family] = []
        for source in self._extra:
            try:
                families.extend(family_of(metric) for metric in source() if metric.name not in self._disabled)
            except Exception as error:
                self._on_failure(COMPONENT, error)
        return families

    def _report(self, conflicts: frozenset[str]) -> None:
        for conflict in sorted(conflicts - self._reported):
            self._on_failure(COMPONENT, FamilyConflict(conflict))
        self._reported = conflicts


def _metric(family: Family) -> Metric:
    shape = family.shape
    metric = Metric(shape.name, shape.help, shape.kind, shape.unit)
    metric.samples = [
        Sample(series.sample, dict(series.labels), value)
        for series, value in zip(shape.series, family.values, strict=True)
    ]
    return metric
