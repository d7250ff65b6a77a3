from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families
from prometheus_client.utils import floatToGoString

from gunicorn_prometheus_exporter.scrape.render import number
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed, samples, value

HISTOGRAM = [
    (key("h_seconds", "h_seconds_sum"), 1.5),
    (key("h_seconds", "h_seconds_bucket", {"le": "1"}), 1.0),
    (key("h_seconds", "h_seconds_bucket", {"le": "+Inf"}), 2.0),
]
SEGMENTS = (
    MemorySegment("counter_1.db", packed((key("c", "c_total", {"x": "1"}), 3.0))),
    MemorySegment("histogram_1.db", packed(*HISTOGRAM)),
    MemorySegment("info_1.state", packed((key("i", "i_info", {"v": "1"}), 1.0, 1.0))),
    MemorySegment(
        "stateset_1.state", packed((key("e", "e", {"e": "on"}), 1.0, 1.0), (key("e", "e", {"e": "off"}), 0.0, 1.0))
    ),
    MemorySegment("summary_1.db", packed((key("s", "s_count"), 2.0), (key("s", "s_sum"), 0.5))),
)


def strict(scraper: Scraper) -> dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    return samples(openmetrics_families(scraper.render(openmetrics=True).decode()))


def lines(exposition: bytes) -> list[str]:
    """Without what the exporter tells of itself."""
    return [line for line in exposition.decode().splitlines() if "gunicorn_exporter_" not in line]


def test_text() -> None:
    """Golden page, Prometheus text 0.0.4."""
    assert lines(Scraper(MemorySource(*SEGMENTS)).render()) == [
        "# HELP c_total Help.",
        "# TYPE c_total counter",
        'c_total{x="1"} 3.0',
        "# HELP e Help.",
        "# TYPE e gauge",
        'e{e="off"} 0.0',
        'e{e="on"} 1.0',
        "# HELP h_seconds Help.",
        "# TYPE h_seconds histogram",
        'h_seconds_bucket{le="1.0"} 1.0',
        'h_seconds_bucket{le="+Inf"} 3.0',
        "h_seconds_count 3.0",
        "h_seconds_sum 1.5",
        "# HELP i_info Help.",
        "# TYPE i_info gauge",
        'i_info{v="1"} 1.0',
        "# HELP s Help.",
        "# TYPE s summary",
        "s_count 2.0",
        "s_sum 0.5",
    ]


def test_openmetrics() -> None:
    """Golden page, OpenMetrics 1.0."""
    scraper = Scraper(MemorySource(*SEGMENTS))
    exposition = scraper.render(openmetrics=True)
    assert "# UNIT gunicorn_exporter_storage_bytes bytes" in exposition.decode().splitlines()
    assert [line for line in lines(exposition) if line.startswith("# ")] == [
        "# HELP c Help.",
        "# TYPE c counter",
        "# HELP e Help.",
        "# TYPE e stateset",
        "# HELP h_seconds Help.",
        "# TYPE h_seconds histogram",
        "# HELP i Help.",
        "# TYPE i info",
        "# HELP s Help.",
        "# TYPE s summary",
        "# EOF",
    ]
    assert strict(scraper).keys() >= {"c", "e", "h_seconds", "i", "s"}


@given(st.floats())
def test_numbers_are_written_as_prometheus_client_does(number_: float) -> None:
    """Bit for bit."""
    assert number(number_) == floatToGoString(number_)


@pytest.mark.parametrize(
    "number_",
    [0.0, -0.0, 999999.5, 1e6, 1234567.0, 1234567.25, 10200000.0, 1e15 - 1, 1e15, 1e16, 1e-7, -1e7, math.inf, math.nan],
)
def test_numbers_at_the_edges(number_: float) -> None:
    """Where the notation changes."""
    assert number(number_) == floatToGoString(number_)


TEXT = st.text(st.characters(), max_size=20)


@settings(max_examples=150, deadline=None)
@given(labels=st.dictionaries(TEXT, TEXT, max_size=3), text=TEXT, name=TEXT.filter(bool), number_=st.floats())
def test_whatever_is_recorded_both_expositions_parse(
    labels: dict[str, str], text: str, name: str, number_: float
) -> None:
    """Any text as name, label or help, lone surrogates too, and any value, in each type."""
    buckets = [
        (key(f"h{name}", f"h{name}_bucket", {**labels, "le": bound}, text), number_) for bound in ("0.5", "1", "+Inf")
    ]
    scraper = Scraper(
        MemorySource(
            MemorySegment("counter_1.db", packed((key(name, f"{name}_total", labels, text), number_))),
            MemorySegment("gauge_all_1.db", packed((key(f"g{name}", f"g{name}", labels, text), number_))),
            MemorySegment("summary_1.db", packed((key(f"s{name}", f"s{name}_count", labels, text), number_))),
            MemorySegment("info_1.state", packed((key(f"i{name}", f"i{name}_info", labels, text), number_, 1.0))),
            MemorySegment(
                "stateset_1.state",
                packed((key(f"e{name}", f"e{name}", {**labels, f"e{name}": "on"}, text), number_, 1.0)),
            ),
            MemorySegment("histogram_1.db", packed((key(f"h{name}", f"h{name}_sum", labels, text), number_), *buckets)),
            MemorySegment("histogram_2.db", packed(*HISTOGRAM)),
        )
    )
    assert value(openmetrics_families(scraper.render(openmetrics=True).decode()), "h_seconds_count") == 3.0
    assert value(text_families(scraper.render().decode()), "h_seconds_count") == 3.0
    registry = CollectorRegistry()
    registry.register(scraper)
    assert b"h_seconds_count 3.0" in generate_latest(registry)


@pytest.mark.parametrize(
    ("bounds", "counts", "total", "left"),
    [
        (("1", "+Inf"), (1.0, 1.0), 2.5, {"bucket", "count", "sum"}),
        (("1", "+Inf"), (1.0, 1.0), -2.5, {"bucket"}),
        (("1", "+Inf"), (1.0, 1.0), math.nan, {"bucket"}),
        (("-1", "+Inf"), (1.0, 1.0), 2.5, {"bucket"}),
        (("1", "+Inf"), (2.0, -1.0), 2.5, set()),
        (("1", "+Inf"), (-1.0, 2.0), 2.5, set()),
        (("1", "+Inf"), (0.5, 1.0), 2.5, set()),
        (("1", "+Inf"), (1.0, math.inf), 2.5, set()),
    ],
)
def test_openmetrics_leaves_out_what_it_forbids(
    bounds: tuple[str, ...], counts: tuple[float, ...], total: float, left: set[str]
) -> None:
    """Negative observations make a sum that is no counter; counts that are none only come from damage."""
    buckets = [(key("h", "h_bucket", {"le": le}), count) for le, count in zip(bounds, counts, strict=True)]
    scraper = Scraper(MemorySource(MemorySegment("histogram_1.db", packed((key("h", "h_sum"), total), *buckets))))
    assert {sample.removeprefix("h_") for sample, _ in strict(scraper)["h"]} == left
    assert {line.split("{")[0].split(" ")[0] for line in lines(scraper.render()) if line.startswith("h")} == {
        "h_bucket",
        "h_count",
        "h_sum",
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["c"], ["c_total"]),
        (["c_total"], ["c_total"]),
        (["s_sum", "i"], ["i_info", "s_sum"]),
        (["h_seconds_count"], ["h_seconds_count"]),
        (["nothing"], []),
    ],
)
def test_restricted_text(names: list[str], expected: list[str]) -> None:
    """By family name, or single samples by theirs; families without samples are not there."""
    found = lines(Scraper(MemorySource(*SEGMENTS)).render(names=names))
    assert [line.split("{")[0].split(" ")[0] for line in found if not line.startswith("#")] == expected
    assert len([line for line in found if line.startswith("# TYPE")]) == len({name[0] for name in expected})


@pytest.mark.parametrize("names", [["h_seconds_count"], ["h_seconds_sum"], ["s_sum"], ["c_total"], ["nothing"]])
def test_restricted_openmetrics_is_valid(names: list[str]) -> None:
    """A histogram comes whole, since a part of one is not valid."""
    scraper = Scraper(MemorySource(*SEGMENTS))
    found = samples(openmetrics_families(scraper.render(openmetrics=True, names=names).decode()))
    assert len(found.get("h_seconds", ())) == (4 if names[0].startswith("h") else 0)


def test_own_families() -> None:
    """What the scrape tells about itself: samples, storage, what it could not read, and how long the last one took."""
    scraper = Scraper(MemorySource(SEGMENTS[0], MemorySegment("counter_2.db", b"garbage" * 9)))
    first = scraper.render().decode()
    assert "gunicorn_exporter_scrape_duration_seconds 0.0\n" in first
    assert "gunicorn_exporter_series 5.0\n" in first
    assert "gunicorn_exporter_unreadable_segments 1.0\n" in first
    assert f"gunicorn_exporter_storage_bytes {float(len(SEGMENTS[0].data) + 63)}\n" in first
    assert (value(scraper.collect(), "gunicorn_exporter_scrape_duration_seconds") or 0.0) > 0.0


def test_the_count_of_samples_is_that_of_this_exposition() -> None:
    """Also when it is restricted, or has samples that OpenMetrics cannot have."""
    scraper = Scraper(MemorySource(MemorySegment("counter_1.db", packed((key("c", "c_total"), -1.0)))))
    assert b"gunicorn_exporter_series 5.0\n" in scraper.render()
    assert b"gunicorn_exporter_series 4.0\n" in scraper.render(openmetrics=True)
    assert b"gunicorn_exporter_series 1.0\n" in scraper.render(names=["gunicorn_exporter_series"])


def live(*metrics: Metric) -> Callable[[], Iterable[Metric]]:
    return lambda: metrics


def test_live_families() -> None:
    """Every type that prometheus_client has in a process, beside those from storage, in both formats."""
    registry = CollectorRegistry()
    Counter("lc", "C.", ["x"], registry=registry).labels('a"\ud800').inc()
    Gauge("lg", "G.", registry=registry).set(math.nan)
    Summary("ls", "S.", registry=registry).observe(2)
    Histogram("lh", "H.", ["x"], registry=registry).labels("1").observe(2)
    Info("li", "I.", registry=registry).info({"v": "1"})
    Enum("le", "E.", states=["on", "off"], registry=registry).state("off")
    failures: list[BaseException] = []
    scraper = Scraper(
        MemorySource(*SEGMENTS), extra=[registry.collect], on_failure=lambda _, error: failures.append(error)
    )
    assert strict(scraper).keys() >= {"lc", "lg", "ls", "lh", "li", "le", "c", "h_seconds"}
    assert value(text_families(scraper.render().decode()), "lh_count", x="1") == 1.0
    assert failures == []


def test_a_failing_live_source_costs_nothing_else() -> None:
    """It is reported, and everything else is there; so it is with a type that cannot be exposed."""

    def failing() -> Iterator[Metric]:
        yield GaugeMetricFamily("first", "F.", 1.0)
        raise RuntimeError("broken")

    strange = GaugeHistogramMetricFamily("strange", "S.", buckets=[("+Inf", 1.0)], gsum_value=1.0)
    half = HistogramMetricFamily("half", "H.", buckets=[("+Inf", 1.0)], sum_value=None)
    told: list[tuple[str, BaseException]] = []
    scraper = Scraper(
        MemorySource(*SEGMENTS),
        extra=[failing, live(strange), live(half), live(GaugeMetricFamily("last", "L.", 1.0))],
        on_failure=lambda *failure: told.append(failure),
    )
    assert strict(scraper).keys() >= {"first", "last", "c"}
    assert [component for component, _ in told] == ["scrape"] * 3
    assert [type(error) for _, error in told] == [RuntimeError, ValueError, ValueError]


def test_live_samples_join_recorded_ones() -> None:
    """Equal counters are added up; other samples of counters and gauges stand beside each other."""
    name = "gunicorn_exporter_errors"
    recorded = MemorySegment("counter_1.db", packed((key(name, f"{name}_total", {"component": "scrape"}), 2.0)))
    family = CounterMetricFamily(name, "Other help.", labels=["component"])
    family.add_metric(["scrape"], 1.0)
    family.add_metric(["server"], 5.0)
    scraper = Scraper(MemorySource(recorded), extra=[live(family)])
    assert value(scraper.collect(), f"{name}_total", component="scrape") == 3.0
    assert value(scraper.collect(), f"{name}_total", component="server") == 5.0
    assert b"Other help." not in scraper.render()


@pytest.mark.parametrize(
    "metric",
    [
        GaugeMetricFamily("c_total", "C.", 7.0),
        GaugeMetricFamily("c", "C.", 7.0),
        GaugeMetricFamily("gunicorn_exporter_series", "S.", 7.0),
        GaugeMetricFamily("gunicorn_worker_requests", "S.", 7.0),
        GaugeMetricFamily("gunicorn_workers", "Other labels.", 7.0),
    ],
)
def test_live_families_that_conflict_are_left_out(metric: Metric) -> None:
    """What is recorded or made here comes first; each conflict is told once."""
    told: list[BaseException] = []
    scraper = Scraper(MemorySource(*SEGMENTS), extra=[live(metric)], on_failure=lambda _, error: told.append(error))
    for _ in range(2):
        assert 7.0 not in [number for family in strict(scraper).values() for number in family.values()]
    assert len(told) == 1


def test_concurrent_scrapes() -> None:
    """Each of many scrapes at a time gets a whole page."""
    scraper = Scraper(MemorySource(*SEGMENTS))
    pages: list[bytes] = []
    threads = [threading.Thread(target=lambda: pages.append(scraper.render(openmetrics=True))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {tuple(lines(page)) for page in pages} == {tuple(lines(scraper.render(openmetrics=True)))}
    assert len(pages) == 8


def test_scrapes_do_not_grow_memory() -> None:
    """Nothing is kept per scrape, whatever is asked for."""
    registry = CollectorRegistry()
    Histogram("lh", "H.", registry=registry).observe(1)
    scraper = Scraper(MemorySource(*SEGMENTS), extra=[registry.collect])
    for number_ in range(200):
        scraper.render(openmetrics=bool(number_ % 2), names=[f"n{number_}", "c", "h_seconds_sum"])
        scraper.render()
    assert len(scraper._renderer._lines) < 20
