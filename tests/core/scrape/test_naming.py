"""The same numbers under either naming, whichever the worker recorded for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed
from tests.e2e.exposition import Exposition

OURS = "gunicorn_http_request_duration_seconds"
RECORDED = "gunicorn_http_request_duration_by_status_seconds"
THEIRS = "http_server_request_duration_seconds"


def histogram(family: str, count: int, **labels: str) -> list[tuple[bytes, float]]:
    """One second for each."""
    return [
        (key(family, f"{family}_bucket", {**labels, "le": "0.5"}), 0.0),
        (key(family, f"{family}_bucket", {**labels, "le": "+Inf"}), float(count)),
        (key(family, f"{family}_sum", labels), float(count)),
    ]


SOURCE = MemorySource(
    MemorySegment(
        "histogram_1.db",
        packed(
            *histogram(OURS, 1, method="GET", endpoint="/a"),
            *histogram(RECORDED, 2, method="GET", endpoint="/a", status="200", scheme="http"),
            *histogram(RECORDED, 3, method="GET", endpoint="/a", status="503", scheme="https"),
            *histogram(RECORDED, 4, method="GET", endpoint="/a", status="500", scheme=""),
            *histogram(RECORDED, 5, method="_OTHER", endpoint="__unmatched__", status="404", scheme="http"),
            *histogram(RECORDED, 6, method="_OTHER", endpoint="__unrouted__", status="404", scheme="http"),
            *histogram(RECORDED, 7, method="GET", endpoint="__other__", status="000", scheme="http"),
            *histogram(
                "gunicorn_http_request_size_by_status_bytes", 8, method="GET", endpoint="/a", status="200", scheme=""
            ),
        ),
    ),
    MemorySegment(
        "gauge_livesum_1.db",
        packed(
            (key("gunicorn_worker_requests_in_progress", "gunicorn_worker_requests_in_progress", {"worker_id": "1"}), 2)
        ),
    ),
    MemorySegment(
        "gauge_livesum_2.db",
        packed(
            (key("gunicorn_worker_requests_in_progress", "gunicorn_worker_requests_in_progress", {"worker_id": "2"}), 3)
        ),
    ),
)


def exposition(**options: Any) -> Exposition:
    return Exposition(Scraper(SOURCE, **options).render(openmetrics=True).decode(), openmetrics=True)


def counts(found: Exposition, family: str) -> dict[frozenset[tuple[str, str]], float]:
    return {frozenset(sample.labels.items()): sample.value for sample in found.samples(f"{family}_count")}


def labelled(values: Mapping[tuple[str, ...], float]) -> dict[frozenset[tuple[str, str]], float]:
    return {frozenset(tuple(pair.split("=")) for pair in pairs): value for pairs, value in values.items()}  # type: ignore[misc]


def test_by_the_conventions() -> None:
    """What is not known is left out, 5xx are errors, and the families of the other naming are not there."""
    found = exposition(naming="otel")
    get, other = "http_request_method=GET", "http_request_method=_OTHER"
    assert counts(found, THEIRS) == labelled(
        {
            (get, "http_route=/a"): 1,
            (get, "http_route=/a", "http_response_status_code=200", "url_scheme=http"): 2,
            (get, "http_route=/a", "http_response_status_code=503", "error_type=503", "url_scheme=https"): 3,
            (get, "http_route=/a", "http_response_status_code=500", "error_type=500"): 4,
            (other, "http_response_status_code=404", "url_scheme=http"): 11,
            (get, "otel_metric_overflow=true", "error_type=_OTHER", "url_scheme=http"): 7,
        }
    )
    assert found.value("http_server_request_body_size_bytes_count") == 8
    assert found.value("http_server_active_requests") == 5
    assert found.total("gunicorn_worker_requests_in_progress") == 5
    assert found.families[THEIRS].unit == "seconds"
    assert found.families[THEIRS].documentation == "Duration of HTTP server requests."
    assert not [name for name in found.families if name.startswith("gunicorn_http_")]


def test_by_our_names() -> None:
    """Nobody sees by which naming it was recorded."""
    found = exposition()
    assert counts(found, OURS) == labelled(
        {
            ("method=GET", "endpoint=/a"): 10,
            ("method=_OTHER", "endpoint=__unmatched__"): 5,
            ("method=_OTHER", "endpoint=__unrouted__"): 6,
            ("method=GET", "endpoint=__other__"): 7,
        }
    )
    assert not [name for name in found.families if name.startswith("http_") or "by_status" in name]


@pytest.mark.parametrize("naming", ["prometheus", "otel"])
def test_by_worker(naming: str) -> None:
    """Families by worker are the same under both."""
    found = exposition(naming=naming)
    assert found.value("gunicorn_worker_request_duration_seconds_count", worker_id="1") == 28
    assert found.value("gunicorn_worker_request_size_bytes_sum", worker_id="1") == 8


def test_an_applications_own() -> None:
    """Of a conventional name: it stays where the name is free, and is left out and reported where it is not."""
    own = MemorySource(
        *SOURCE.segments, MemorySegment("counter_2.db", packed((key(THEIRS, f"{THEIRS}_total", {"x": "1"}), 1.0)))
    )
    reported: list[str] = []
    for naming in ("prometheus", "otel"):
        scraper = Scraper(own, naming=naming, on_failure=lambda _, error: reported.append(str(error)))
        text = scraper.render().decode()
        assert (f'{THEIRS}_total{{x="1"}} 1.0' in text) == (naming == "prometheus")
        assert (f"{THEIRS}_count{{" in text) == (naming == "otel")
    assert reported == [f"{THEIRS} (counter)"]


def test_switched_off() -> None:
    """A family is off under both names, and the name that is not ours then is the application's."""
    own = MemorySource(
        *SOURCE.segments, MemorySegment("counter_2.db", packed((key(THEIRS, f"{THEIRS}_total", {"x": "1"}), 1.0)))
    )
    ours = Scraper(own, disabled=[OURS]).render().decode()
    assert f"{OURS}_count" not in ours
    assert f'{THEIRS}_total{{x="1"}} 1.0' in ours
    assert THEIRS not in Scraper(own, naming="otel", disabled=[OURS]).render().decode()
