from __future__ import annotations

import math

import pytest

from gunicorn_prometheus_exporter.scrape.own import OWN
from gunicorn_prometheus_exporter.scrape.scraper import FamilyConflict, Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed, samples, value


def scraper(*segments: MemorySegment) -> tuple[Scraper, list[tuple[str, BaseException]]]:
    failures: list[tuple[str, BaseException]] = []
    return Scraper(MemorySource(*segments), on_failure=lambda *failure: failures.append(failure)), failures


def without_own(found: Scraper) -> object:
    return {name: values for name, values in samples(found.collect()).items() if name not in OWN}


def conflicts(failures: list[tuple[str, BaseException]]) -> list[str]:
    assert all(component == "scrape" and isinstance(error, FamilyConflict) for component, error in failures)
    return [str(error) for _, error in failures]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("min", 1.0), ("livemin", 1.0), ("max", 3.0), ("livemax", 3.0), ("sum", 6.0), ("livesum", 6.0)],
)
def test_gauge_modes(mode: str, expected: float) -> None:
    """One series from three owners, merged as the mode says; NaN never wins over a number."""
    segments = [
        MemorySegment(f"gauge_{mode}_{owner}.db", packed((key("g", "g"), number)))
        for owner, number in ((1, 2.0), (2, 1.0), (3, 3.0))
    ]
    if not mode.endswith("sum"):
        segments.insert(0, MemorySegment(f"gauge_{mode}_0.db", packed((key("g", "g"), math.nan))))
    assert value(scraper(*segments)[0].collect(), "g") == expected


@pytest.mark.parametrize("mode", ["all", "liveall"])
def test_gauges_of_all_processes(mode: str) -> None:
    """Each owner's value is a series of its own, told apart by pid."""
    found, _ = scraper(
        *[MemorySegment(f"gauge_{mode}_{owner}.db", packed((key("g", "g"), float(owner)))) for owner in (1, 2)]
    )
    assert samples(found.collect())["g"] == {
        ("g", frozenset({("pid", "1")})): 1.0,
        ("g", frozenset({("pid", "2")})): 2.0,
    }


@pytest.mark.parametrize("mode", ["mostrecent", "livemostrecent"])
def test_the_most_recent_gauge_wins(mode: str) -> None:
    """By time stamp; one that was never set is not there."""
    found, _ = scraper(
        MemorySegment(f"gauge_{mode}_1.db", packed((key("g", "g"), 1.0, 200.0), (key("n", "n"), 0.0, 0.0))),
        MemorySegment(f"gauge_{mode}_2.db", packed((key("g", "g"), 2.0, 100.0))),
    )
    assert value(found.collect(), "g") == 1.0
    assert samples(found.collect())["n"] == {}


def test_the_newest_info_wins() -> None:
    """Of all label sets an info metric ever had, only the newest is there."""
    found, _ = scraper(
        MemorySegment(
            "info_1.state",
            packed((key("i", "i_info", {"v": "1"}), 1.0, 10.0), (key("i", "i_info", {"v": "2"}), 1.0, 20.0)),
        ),
        MemorySegment("info_2.state", packed((key("i", "i_info", {"v": "3"}), 1.0, 15.0))),
    )
    assert samples(found.collect())["i"] == {("i_info", frozenset({("v", "2")})): 1.0}


def test_infos_with_labels_are_apart() -> None:
    """A fifth element in the key names the labels that tell the children of an info metric apart."""
    keys = [
        (b'["i", "i_info", {"shard": "%s", "v": "%s"}, "h", ["shard"]]' % (shard, version), 1.0, stamp)
        for shard, version, stamp in ((b"a", b"1", 10.0), (b"a", b"2", 20.0), (b"b", b"1", 5.0))
    ]
    found, _ = scraper(MemorySegment("info_1.state", packed(*keys)))
    assert set(samples(found.collect())["i"]) == {
        ("i_info", frozenset({("shard", "a"), ("v", "2")})),
        ("i_info", frozenset({("shard", "b"), ("v", "1")})),
    }


def test_an_enum_has_one_state() -> None:
    """Two processes set different states; the later one counts, and every state has a sample. A label has no colon."""
    states = [key("e:x", "e:x", {"e:x": state}) for state in ("starting", "running", "aborted")]
    found, _ = scraper(
        MemorySegment(
            "stateset_1.state", packed((states[0], 0.0, 10.0), (states[1], 1.0, 10.0), (states[2], 0.0, 1.0))
        ),
        MemorySegment("stateset_2.state", packed((states[0], 1.0, 0.0), (states[1], 0.0, 0.0), (states[2], 1.0, 5.0))),
    )
    assert {dict(labels)["e_x"]: on for (_, labels), on in samples(found.collect())["e_x"].items()} == {
        "starting": 0.0,
        "running": 1.0,
        "aborted": 0.0,
    }


def test_buckets_are_cumulative_and_counted() -> None:
    """Increments per bucket become cumulative, whatever the bounds look like, and the last one is the count."""
    entries = [("10", 3.0), ("+Inf", 4.0), ("2.0", 2.0), ("1", 1.0)]
    found, _ = scraper(
        MemorySegment(
            "histogram_1.db",
            packed(
                (key("h", "h_sum"), 7.5), *[(key("h", "h_bucket", {"le": bound}), number) for bound, number in entries]
            ),
        ),
        MemorySegment("histogram_2.db", packed((key("h", "h_bucket", {"le": "2"}), 100.0))),
    )
    lines = [line for line in found.render().decode().splitlines() if line.startswith("h_")]
    assert lines == [
        'h_bucket{le="1.0"} 1.0',
        'h_bucket{le="2.0"} 103.0',
        'h_bucket{le="10.0"} 106.0',
        'h_bucket{le="+Inf"} 110.0',
        "h_count 110.0",
        "h_sum 7.5",
    ]


@pytest.mark.parametrize("missing", [0, -1])
def test_a_half_created_histogram_waits(missing: int) -> None:
    """A worker adds a histogram's series one by one; a scrape in between does not show a part of it."""
    whole = [
        (key("h", "h_sum"), 0.0),
        (key("h", "h_bucket", {"le": "1"}), 0.0),
        (key("h", "h_bucket", {"le": "+Inf"}), 0.0),
    ]
    segment = MemorySegment("histogram_1.db", packed(*whole[1:] if missing == 0 else whole[:-1]))
    found, _ = scraper(segment)
    assert samples(found.collect())["h"] == {}
    segment.data = packed(*whole)
    assert len(samples(found.collect())["h"]) == 4


def test_the_first_type_wins() -> None:
    """A family that two processes have with different types is there once, the same way each time."""
    segments = [
        MemorySegment("gauge_sum_1.db", packed((key("a", "a"), 1.0))),
        MemorySegment("gauge_max_2.db", packed((key("b", "b"), 1.0))),
        MemorySegment("gauge_sum_2.db", packed((key("b", "b"), 2.0))),
        MemorySegment("counter_3.db", packed((key("a", "a_total"), 2.0))),
    ]
    found, failures = scraper(*segments)
    backwards, _ = scraper(*reversed(segments))
    assert samples(found.collect())["a"] == {("a_total", frozenset()): 2.0}
    assert samples(found.collect())["b"] == {("b", frozenset()): 1.0}
    assert samples(backwards.collect())["a"] == {("a_total", frozenset()): 2.0}
    assert conflicts(failures) == ["a (gauge)", "b (gauge)"]


COUNTER = MemorySegment("counter_1.db", packed((key("c", "c_total"), 1.0)))


@pytest.mark.parametrize(
    ("owner", "intruder"),
    [
        (COUNTER, MemorySegment("gauge_sum_1.db", packed((key("c_total", "c_total"), 1.0)))),
        (COUNTER, MemorySegment("gauge_sum_1.db", packed((key("c_created", "c_created"), 1.0)))),
        (COUNTER, MemorySegment("summary_1.db", packed((key("c", "c_count"), 1.0)))),
        (
            MemorySegment("counter_1.db", packed((key("h_sum", "h_sum_total"), 1.0))),
            MemorySegment("histogram_1.db", packed((key("h", "h_sum"), 1.0))),
        ),
        (
            MemorySegment("gauge_all_1.db", packed((key("i_info", "i_info"), 1.0))),
            MemorySegment("info_1.state", packed((key("i", "i_info", {"v": "1"}), 1.0))),
        ),
    ],
)
def test_no_sample_name_belongs_to_two_families(owner: MemorySegment, intruder: MemorySegment) -> None:
    """A counter c and a gauge c_total, for one, would be the same name on the wire."""
    found, failures = scraper(owner, intruder)
    alone, _ = scraper(owner)
    assert without_own(found) == without_own(alone)
    assert len(conflicts(failures)) == 1


def test_names_that_only_newer_formats_allow_become_legal() -> None:
    """As prometheus_client writes them by default: with underscores."""
    found, _ = scraper(
        MemorySegment("counter_1.db", packed((key("my.hits", "my.hits_total", {"a.b": "1", "2": "x"}), 1.0)))
    )
    assert b'my_hits_total{_="x",a_b="1"} 1.0\n' in found.render()


def test_the_first_help_wins() -> None:
    """During an upgrade the help text may differ; the values still belong together."""
    found, failures = scraper(
        MemorySegment("counter_1.db", packed((key("a", "a_total", text="Old."), 1.0))),
        MemorySegment("counter_2.db", packed((key("a", "a_total", text="New."), 2.0))),
    )
    assert "# HELP a_total Old.\n" in found.render().decode()
    assert value(found.collect(), "a_total") == 3.0
    assert failures == []


@pytest.mark.parametrize(
    ("filename", "raw"),
    [
        ("gauge_sum_1.db", key("gunicorn_http_requests", "gunicorn_http_requests")),
        ("gauge_sum_1.db", key("gunicorn_http_requests_total", "gunicorn_http_requests_total")),
        ("counter_1.db", key("gunicorn_http_requests", "gunicorn_http_requests_total", {"mine": "1"})),
        ("counter_1.db", key("gunicorn_worker_requests", "gunicorn_worker_requests_total", {"worker_id": "1"})),
        ("gauge_sum_1.db", key("gunicorn_exporter_series", "gunicorn_exporter_series")),
    ],
)
def test_the_catalogue_cannot_be_counterfeited(filename: str, raw: bytes) -> None:
    """An application's metric with one of our names but other labels or another type is left out and reported once."""
    found, failures = scraper(MemorySegment(filename, packed((raw, 12345.0))))
    assert b"12345" not in found.render()
    assert b"12345" not in found.render()
    assert len(conflicts(failures)) == 1


def test_a_conflict_that_goes_and_comes_back_is_told_again() -> None:
    """Each conflict is told once while it lasts."""
    intruder = MemorySegment("gauge_sum_1.db", packed((key("a_total", "a_total"), 1.0)))
    source = MemorySource(MemorySegment("counter_1.db", packed((key("a", "a_total"), 1.0))), intruder)
    told: list[str] = []
    found = Scraper(source, on_failure=lambda _, error: told.append(str(error)))
    for segments in (source.segments, source.segments, source.segments[:1], source.segments):
        source.segments = segments
        found.render()
    assert told == ["a_total (gauge)", "a_total (gauge)"]
