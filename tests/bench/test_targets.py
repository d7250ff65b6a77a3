"""A target is held against the right peer: each line of the list can fail, and can pass."""

from __future__ import annotations

import pytest

from bench import variants as v
from bench.hot_path import targets

# Instructions that are added to 100,000 each; every target is just met.
MET = {
    v.FLOOR: 10_000.0,
    v.OURS: 20_000.0,
    v.OURS_FLASK: 30_000.0,
    v.OURS_DJANGO: 30_000.0,
    v.OURS_PYRAMID: 30_000.0,
    v.FLOOR_GTHREAD: 10_000.0,
    v.OURS_GTHREAD: 20_000.0,
    v.STATSD: 40_000.0,
    v.FLASK_EXPORTER: 150_000.0,
    v.DJANGO_PROMETHEUS: 360_000.0,
    v.PUBLISHED: 400_000.0,
    v.OURS_REDIS: 21_000.0,
    v.OURS_STARLETTE: 90_000.0,
    v.STARLETTE_EXPORTER: 90_000.0,
    v.OURS_FASTAPI: 90_000.0,
    v.INSTRUMENTATOR: 90_000.0,
}
LOADED = {"Gunicorn": 100_000.0, v.FLOOR: 110_000.0, v.OURS: 120_000.0}


def counts(**worse: float) -> dict[str, float]:
    added = {**MET, **worse}
    found = {name: 100_000.0 + instructions for name, instructions in added.items()}
    alone = {variant.against for variant in v.ALL if variant.name in added}
    return {**found, **dict.fromkeys(alone, 100_000.0)}


def test_all_are_met_when_all_are() -> None:
    assert [target.verdict for target in targets(counts(), LOADED)] == ["PASS"] * 14


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        (v.OURS, 4),
        (v.OURS_FLASK, 2),
        (v.OURS_DJANGO, 2),
        (v.OURS_PYRAMID, 1),
        (v.OURS_GTHREAD, 1),
        (v.OURS_REDIS, 1),
        (v.OURS_STARLETTE, 1),
        (v.OURS_FASTAPI, 1),
    ],
)
def test_an_instruction_too_many_is_a_miss(name: str, failing: int) -> None:
    verdicts = [target.verdict for target in targets(counts(**{name: MET[name] * 1.3}), LOADED)]
    assert verdicts.count("FAIL") == failing


def test_a_peer_that_could_not_be_had_is_said_to_be_missing() -> None:
    known = counts()
    del known[v.PUBLISHED]
    assert [target.verdict for target in targets(known, LOADED)].count("NOT MEASURED") == 1
