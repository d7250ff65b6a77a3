"""How much of everything a run measures: enough to say something, or just enough to see that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .variants import CONTROL, OURS, OURS_ASGI, OURS_FLASK, OURS_GTHREAD, OURS_REDIS


@dataclass(frozen=True)
class Scale:
    """Numbers of rounds and requests, seconds, and the points of the growth laws.

    ``measured``, if not empty, are the only variants that are measured, with what they are held against; ``counted``,
    if not empty, are the only ones whose instructions are counted, and those of the growth laws are not.
    """

    name: str
    counted_requests: int
    timed_requests: int
    timed_rounds: int
    load_rounds: int
    load_seconds: float
    scrape_workers: int
    scrape_series: int
    scrape_rounds: int
    stock_rounds: int
    deaths: int
    scrapes: int
    endpoints: tuple[int, ...]
    workers: tuple[int, ...]
    series: tuple[int, ...]
    instances: tuple[int, ...]
    boots: int
    measured: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


FULL: Final = Scale(
    name="full",
    counted_requests=500,
    timed_requests=2000,
    timed_rounds=5,
    load_rounds=4,
    load_seconds=2.0,
    scrape_workers=64,
    scrape_series=1000,
    scrape_rounds=5,
    stock_rounds=5,
    deaths=5000,
    scrapes=10_000,
    endpoints=(1, 100, 1000, 5000),
    workers=(1, 4, 16, 64, 128),
    series=(100, 300, 1000, 3000, 10_000),
    instances=(1, 10, 100, 500),
    boots=40,
)
CHECK: Final = Scale(
    name="check",
    counted_requests=10,
    timed_requests=20,
    timed_rounds=1,
    load_rounds=1,
    load_seconds=0.2,
    scrape_workers=3,
    scrape_series=100,
    scrape_rounds=2,
    stock_rounds=1,
    deaths=10,
    scrapes=50,
    endpoints=(3,),
    workers=(1, 2),
    series=(100, 300),
    instances=(1, 2),
    boots=3,
    measured=(CONTROL, OURS, OURS_REDIS, OURS_FLASK, OURS_GTHREAD, OURS_ASGI),
    counted=("Gunicorn",),
)
