from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gunicorn_prometheus_exporter.scrape.rounding import Ratchet
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed, value

A, B = ("a_total", ()), ("b_total", ())
BUSY = key("busy_seconds", "busy_seconds_total")
UP = 0.1 + 0.2 + 0.3
DOWN = 0.1 + (0.2 + 0.3)


def held(ratchet: Ratchet, values: list[float], totals: dict[tuple[str, tuple[()]], int]) -> list[float]:
    ratchet.hold(values, totals)
    return values


def test_a_total_waits_for_its_sum() -> None:
    ratchet, totals = Ratchet(), {A: 0}
    assert DOWN < UP
    assert [held(ratchet, [total], totals) for total in (UP, DOWN, DOWN, 0.7)] == [[UP], [UP], [UP], [0.7]]


def test_a_total_that_really_falls_falls() -> None:
    ratchet, totals = Ratchet(), {A: 0}
    assert [held(ratchet, [total], totals) for total in (5.0, 4.999999, 0.0)] == [[5.0], [4.999999], [0.0]]


def test_a_series_is_known_again_in_another_place() -> None:
    ratchet = Ratchet()
    ratchet.hold([UP, 1.0], {A: 0, B: 1})
    assert held(ratchet, [1.0, 7.0, DOWN], {B: 0, A: 2}) == [1.0, 7.0, UP]
    assert held(ratchet, [2.0], {B: 0}) == [2.0]
    assert held(ratchet, [DOWN], {A: 0}) == [DOWN]


def test_what_is_no_total_is_left_alone() -> None:
    ratchet, totals = Ratchet(), {A: 0}
    ratchet.hold([UP, UP], totals)
    assert held(ratchet, [DOWN, DOWN], totals) == [UP, DOWN]


@given(
    st.lists(st.floats(min_value=0, max_value=1e6, allow_nan=False), min_size=2, max_size=40),
    st.lists(st.integers(min_value=0), min_size=1, max_size=8),
)
def test_nothing_falls_when_segments_get_series(seconds: list[float], grown: list[int]) -> None:
    """The workers' seconds stay as they are, while one worker after the other gets a new series."""
    entries = [[(BUSY, worker_seconds)] for worker_seconds in seconds]
    source = MemorySource(
        *[MemorySegment(f"counter_{slot}.db", packed(*worker)) for slot, worker in enumerate(entries)]
    )
    scraper = Scraper(source)
    seen = [total(scraper), total(scraper)]
    for step, worker in enumerate(grown):
        slot = worker % len(entries)
        entries[slot].append((key("new", "new_total", {"step": str(step)}), 1.0))
        source.segments[slot].data = packed(*entries[slot])
        seen += [total(scraper), total(scraper)]
    assert seen == sorted(seen)


def total(scraper: Scraper) -> float:
    shown = value(text_string_to_metric_families(scraper.render().decode()), "busy_seconds_total")
    assert shown is not None
    return shown
