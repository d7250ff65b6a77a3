"""The documented families that are sums of what is recorded: by worker, by exit reason, by signal.

A worker's number is the owner of the segment its numbers are in. What is derived has the form of readings, so that it
is merged like everything else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client.utils import floatToGoString

from ..catalogue import BY_STATUS, BY_WORKER, ESCAPED_EXCEPTIONS, SLOT_EXITS
from ..storage.names import SegmentName
from .buckets import Bounds, BucketsShown, common
from .claims import fits_catalogue
from .entries import Key, Labels
from .readings import Layout, Reading

_HISTOGRAMS = {recorded: derived for derived, recorded in BY_WORKER.items()}
_HISTOGRAMS |= {BY_STATUS[name].name: family for name, family in _HISTOGRAMS.items()}
_REQUESTS = "gunicorn_http_requests"
_EXCEPTIONS = "gunicorn_http_exceptions"
_SIGNALS = "gunicorn_master_signals"
_SOURCES = frozenset({_REQUESTS, _EXCEPTIONS, _SIGNALS, ESCAPED_EXCEPTIONS.name, SLOT_EXITS.name, *_HISTOGRAMS})

_WORKER_REQUESTS = "gunicorn_worker_requests"
_WORKER_FAILED = "gunicorn_worker_failed_requests"
_WORKER_HANDLED = "gunicorn_worker_error_handling"
_RESTART = "gunicorn_worker_restart"
_RESTART_COUNT = "gunicorn_worker_restart_count"
_MASTER_RESTART = "gunicorn_master_worker_restart"
_MASTER_RESTART_COUNT = "gunicorn_master_worker_restart_count"
DERIVED: Final = frozenset(
    {
        _WORKER_REQUESTS,
        _WORKER_FAILED,
        _WORKER_HANDLED,
        _RESTART,
        _RESTART_COUNT,
        _MASTER_RESTART,
        _MASTER_RESTART_COUNT,
        *_HISTOGRAMS.values(),
    }
)

_RESTART_SIGNALS = frozenset({"hup", "usr1", "usr2", "ttin", "ttou", "chld", "int"})
_FORCED = frozenset({"timeout", "sigkill", "signal", "crash", "boot_error", "app_load_error", "unknown"})

_Pick = Callable[[tuple[float, ...]], tuple[float, ...]]
_Term = tuple[_Pick, ...]
"""Picks the values that add up to one derived value."""


class _Target(NamedTuple):
    """A derived series. One ``by_worker`` gets its ``worker_id`` from the owner; ``bound`` is that of a bucket."""

    family: str
    suffix: str
    labels: Labels
    by_worker: bool
    bound: float | None = None

    def key(self, owner: str) -> Key:
        group = tuple(sorted([*self.labels, ("worker_id", owner)])) if self.by_worker else self.labels
        labels = group if self.bound is None else (("le", floatToGoString(self.bound)), *group)
        return Key(self.family, self.family + self.suffix, labels, group, "", self.bound)


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a layout gives, whoever owns it: series, and the values that each of them adds up."""

    targets: tuple[_Target, ...]
    terms: tuple[_Term, ...]


@dataclass(frozen=True, slots=True)
class _Derivation:
    """What a layout gives in the hands of one owner: a layout, empty if that is nothing, and a term for each series."""

    layout: Layout
    terms: tuple[_Term, ...]

    def reading(self, source: Reading) -> Reading:
        values = source.values
        sums = []
        for picks in self.terms:
            total = 0.0
            for pick in picks:
                total = sum(pick(values), total)
            sums.append(total)
        return Reading(source.name, self.layout, tuple(sums))


@dataclass(slots=True)
class _Known:
    """What the last scrape derived from a segment, None if that is nothing."""

    source: Reading
    derivation: _Derivation
    derived: Reading | None


class Deriver:
    """Derives readings from readings; the same ones from the same ones. Histograms get their ``buckets``, and
    families that are ``disabled`` are not made.
    """

    def __init__(self, buckets: BucketsShown, disabled: Collection[str] = ()) -> None:
        self._buckets = buckets
        self._disabled = disabled
        self._known: dict[SegmentName, _Known] = {}
        self._sums: WeakKeyDictionary[Layout, _Sums] = WeakKeyDictionary()

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        """A reading for each segment that something can be derived from."""
        before, self._known = self._known, {}
        derived = []
        for reading in readings:
            known = self._known[reading.name] = self._derive(reading, before.get(reading.name))
            if known.derived is not None:
                derived.append(known.derived)
        return derived

    def _derive(self, source: Reading, known: _Known | None) -> _Known:
        if known is None or known.source.layout is not source.layout:
            derivation = self._derivation(source.layout, source.name)
        elif known.source is source or known.derived is None:
            return known
        else:
            derivation = known.derivation
        return _Known(source, derivation, derivation.reading(source) if derivation.terms else None)

    def _derivation(self, source: Layout, name: SegmentName) -> _Derivation:
        owner = name.owner
        sums = self._sums.get(source)
        if sums is None:
            sums = self._sums[source] = _sums(name.kind, source, self._buckets, self._disabled)
        is_worker = owner.isdecimal()
        chosen = [pair for pair in zip(sums.targets, sums.terms, strict=True) if is_worker or not pair[0].by_worker]
        keys = tuple([target.key(owner) for target, _ in chosen])
        return _Derivation(Layout(keys), tuple([term for _, term in chosen]))


def _sums(kind: str, source: Layout, buckets: BucketsShown, disabled: Collection[str]) -> _Sums:
    indices: defaultdict[_Target, defaultdict[float | None, list[int]]] = defaultdict(lambda: defaultdict(list))
    bounds = _bounds(source, buckets)
    for index, key in enumerate(source.keys):
        if key.family in _SOURCES and fits_catalogue(key.family, kind, key.group):
            for target in _targets(key, bounds):
                if target.family not in disabled:
                    indices[target][key.bound].append(index)
    return _Sums(tuple(indices), tuple([_term(by_bound.values()) for by_bound in indices.values()]))


def _term(groups: Iterable[list[int]]) -> _Term:
    """Workers write the histograms of all endpoints in the same way, so most groups are evenly spaced, as slices are.

    A slice costs half of what single indices do.
    """
    picks: list[_Pick] = []
    single: list[int] = []
    for indices in groups:
        step = _step(indices)
        if step:
            picks.append(itemgetter(slice(indices[0], indices[-1] + 1, step)))
        else:
            single += indices
    if single:
        # With one index itemgetter would not give a tuple, with a slice it does.
        picks.append(itemgetter(*single) if len(single) > 1 else itemgetter(slice(single[0], single[0] + 1)))
    return tuple(picks)


def _step(indices: list[int]) -> int:
    """The distance between ``indices``, which ascend, if it is always the same and they are some; else 0."""
    steps = {after - before for before, after in pairwise(indices)}
    return steps.pop() if len(steps) == 1 and len(indices) > 2 else 0


def _bounds(source: Layout, buckets: BucketsShown) -> dict[str, Bounds]:
    """Of each derived histogram: by default its documented bounds that ``source`` has, too."""
    recorded: defaultdict[str, set[float]] = defaultdict(set)
    for key in source.keys:
        if key.family in _HISTOGRAMS and key.bound is not None:
            recorded[_HISTOGRAMS[key.family]].add(key.bound)
    return {family: buckets.get(family) or common(family, bounds) for family, bounds in recorded.items()}


def _targets(key: Key, bounds: Mapping[str, Bounds]) -> Iterator[_Target]:
    """The derived series that a recorded one adds to."""
    labels = dict(key.group)
    if key.family in _HISTOGRAMS:
        yield _histogram(_HISTOGRAMS[key.family], key, bounds)
    elif key.family == _REQUESTS:
        yield _Target(_WORKER_REQUESTS, "_total", (), by_worker=True)
    elif key.family == _EXCEPTIONS:
        family = _WORKER_FAILED if labels["handled"] == "false" else _WORKER_HANDLED
        kept = tuple([label for label in key.group if label[0] not in {"handled", "source"}])
        yield _Target(family, "_total", kept, by_worker=True)
    elif key.family == ESCAPED_EXCEPTIONS.name:
        yield _Target(_WORKER_HANDLED, "_total", key.group, by_worker=True)
    elif key.family == _SIGNALS and labels["signal"] in _RESTART_SIGNALS:
        yield _Target(_MASTER_RESTART, "_total", (("reason", labels["signal"]),), by_worker=False)
    elif key.family == SLOT_EXITS.name:
        restart_type = "forced" if labels["reason"] in _FORCED else "graceful"
        typed = tuple(sorted({**labels, "restart_type": restart_type}.items()))
        yield _Target(_RESTART, "_total", key.group, by_worker=False)
        yield _Target(_RESTART_COUNT, "_total", typed, by_worker=False)
        yield _Target(_MASTER_RESTART_COUNT, "_total", typed, by_worker=False)


def _histogram(family: str, key: Key, bounds: Mapping[str, Bounds]) -> _Target:
    """The derived bucket takes all recorded ones up to its bound."""
    if key.bound is None:
        return _Target(family, "_sum", (), by_worker=True)
    buckets = bounds[family]
    return _Target(family, "_bucket", (), by_worker=True, bound=buckets[bisect_left(buckets, key.bound)])
