"""By what names and labels the traffic is shown: the exporter's own, or those of OpenTelemetry's conventions.

Names are given where it is planned what is merged, so they cost a scrape nothing, and whatever a worker recorded can be
shown under either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..catalogue import BY_STATUS, CATALOGUE, NO_STATUS, OTEL, OTEL_NAMES, OTHER, UNMATCHED, UNROUTED, Family
from .claims import fits_catalogue
from .entries import Key, Labels
from .families import Family as ShownFamily
from .families import Series, Shape, without

_IN_PROGRESS: Final = "gunicorn_worker_requests_in_progress"
_ACTIVE: Final = OTEL["http_server_active_requests"]
_PLAIN: Final = {family.name: name for name, family in BY_STATUS.items()}


@dataclass(frozen=True, slots=True)
class Naming:
    """``shown`` says how a recorded key of some kind is shown. ``families`` are those that it alone gives, by name, and
    ``more`` makes those of them that are none of the recorded ones, from what is shown.
    """

    shown: Callable[[Key, str], Key]
    families: Mapping[str, Family]
    more: Callable[[Collection[ShownFamily]], list[ShownFamily]]

    def described(self, name: str) -> Family | None:
        """The family of this name, if it is one of the exporter's."""
        return CATALOGUE.get(name) or self.families.get(name)


def _by_prometheus(key: Key, kind: str) -> Key:
    plain = _PLAIN.get(key.family)
    if plain is None or not fits_catalogue(key.family, kind, key.group):
        return key
    return _renamed(key, plain, [label for label in key.group if label[0] not in {"status", "scheme"}])


def _by_opentelemetry(key: Key, kind: str) -> Key:
    name = OTEL_NAMES.get(_PLAIN.get(key.family, key.family))
    if name is None or not fits_catalogue(key.family, kind, key.group):
        return key
    return _renamed(key, name, _attributes(dict(key.group)))


def _attributes(labels: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The conventions leave out what is not known. Who had no status, or no route, is one series with who had none."""
    yield "http_request_method", labels["method"]
    endpoint = labels["endpoint"]
    if endpoint == OTHER:
        yield "otel_metric_overflow", "true"
    elif endpoint not in {UNMATCHED, UNROUTED}:
        yield "http_route", endpoint
    if labels.get("scheme"):
        yield "url_scheme", labels["scheme"]
    status = labels.get("status", "")
    if status == NO_STATUS:
        yield "error_type", "_OTHER"
    elif status:
        yield "http_response_status_code", status
        if status >= "500":
            yield "error_type", status


def _renamed(key: Key, name: str, labels: Iterable[tuple[str, str]]) -> Key:
    group: Labels = tuple(sorted(labels))
    bound = [label for label in key.labels if label[0] == "le"]
    suffix = key.sample.removeprefix(key.family)
    return replace(key, family=name, sample=name + suffix, labels=tuple(sorted([*group, *bound])), group=group)


def _active_requests(families: Collection[ShownFamily]) -> list[ShownFamily]:
    """What the conventions know of the requests in progress of all workers: their sum."""
    sums: dict[Labels, float] = {}
    for family in families:
        if family.shape.name == _IN_PROGRESS:
            for series, value in zip(family.shape.series, family.values, strict=True):
                labels = without(series.labels, "worker_id")
                sums[labels] = sums.get(labels, 0.0) + value
    if not sums:
        return []
    shape = Shape(
        _ACTIVE.name, _ACTIVE.kind, _ACTIVE.help, "", tuple([Series(_ACTIVE.name, labels) for labels in sums])
    )
    return [ShownFamily(shape, list(sums.values()))]


NAMINGS: Final = {
    "prometheus": Naming(_by_prometheus, {}, lambda families: []),
    "otel": Naming(_by_opentelemetry, OTEL, _active_requests),
}
