"""The same directory, read by prometheus_client's own collector and by the scraper."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.own import OWN
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import samples, write

MODES = [live + mode for mode in ("all", "min", "max", "sum", "mostrecent") for live in ("", "live")]

WORKER = """
import sys
from prometheus_client import Counter, Gauge, Histogram, Summary
number = int(sys.argv[1])
Counter("c", "Plain.").inc(number)
counter = Counter("labelled", 'Help with \\\\ and "quotes"\\nand lines.', ["path", "method"])
for path in ("/", "/\\u00e9", 'a"b\\\\c\\nd', "", str(number)):
    counter.labels(path, "GET").inc(number * 1e6 + 0.25)
Summary("s_seconds", "S.", ["x"]).labels("1").observe(number / 4)
histogram = Histogram("h_seconds", "H.", ["x"], buckets=(0.1, 1, 2500000, float("inf")))
for value in (0.0625, 0.5, number, 1e9):
    histogram.labels(str(number % 2)).observe(value)
Histogram("never", "Nothing observed.")
for mode in MODES:
    gauge = Gauge(f"g_{mode}", "G.", ["x"], multiprocess_mode=mode)
    gauge.labels("1").set(number * (-1) ** number)
    gauge.labels(f"only {number}").set(number)
    if mode.endswith("mostrecent"):
        gauge.labels("never set")
    Gauge(f"pid_{mode}", "G.", ["pid", "x"], multiprocess_mode=mode).labels("own", "1").set(number)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What three processes wrote with prometheus_client, each having all types and modes."""
    path = tmp_path_factory.mktemp("metrics")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(path)}
    script = WORKER.replace("MODES", repr(MODES))
    for number in ("1", "2", "3"):
        subprocess.run([sys.executable, "-c", script, number], env=environment, check=True)
    return path


def scraped(directory: Path) -> dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    """What the scraper collects, without what it tells of itself."""
    found = samples(Scraper(DirectorySource(str(directory))).collect())
    return {name: values for name, values in found.items() if name not in OWN}


def stock(directory: Path) -> dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    return samples(MultiProcessCollector(None, str(directory)).collect())


def test_equals_prometheus_client(directory: Path) -> None:
    """All types and gauge modes: the same families, samples and labels, and the same values."""
    expected = stock(directory)
    assert set(expected) >= {"c", "labelled", "s_seconds", "h_seconds", "never", *(f"g_{mode}" for mode in MODES)}
    found = scraped(directory)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values), name


def test_help_and_type_are_equal(directory: Path) -> None:
    """Metadata comes through unchanged."""
    expected = {m.name: (m.type, m.documentation) for m in MultiProcessCollector(None, str(directory)).collect()}
    collected = Scraper(DirectorySource(str(directory))).collect()
    assert {m.name: (m.type, m.documentation) for m in collected if m.name not in OWN} == expected


def test_text_is_equal(directory: Path) -> None:
    """Line for line what generate_latest writes, in another order."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))
    expected = sorted(generate_latest(registry).decode().splitlines())
    found = Scraper(DirectorySource(str(directory))).render().decode().splitlines()
    assert sorted(line for line in found if "gunicorn_exporter_" not in line) == expected


def test_both_expositions_parse(directory: Path) -> None:
    """prometheus_client's text parser and its strict OpenMetrics parser read the same values from both."""
    scraper = Scraper(DirectorySource(str(directory)))
    expected = stock(directory)
    strict = samples(openmetrics_families(scraper.render(openmetrics=True).decode()))
    lenient = samples(text_families(scraper.render().decode()))
    for name, values in expected.items():
        assert strict[name] == pytest.approx(values)
        assert lenient[name] == pytest.approx(values)


def test_stays_equal_while_segments_grow(tmp_path: Path) -> None:
    """A scraper that remembers earlier scrapes says the same as a collector that does not."""
    scraper = Scraper(DirectorySource(str(tmp_path)))
    for step in range(1, 6):
        for owner in range(1, step + 1):
            entries = [("a", "a_total", {"x": str(number)}, float(step * number * owner)) for number in range(step * 3)]
            write(tmp_path, f"counter_{owner}.db", entries[::-1] if owner % 2 else entries)
            write(tmp_path, f"gauge_max_{owner}.db", [("m", "m", {"x": str(step % 3)}, float(step * owner))])
        found = samples(scraper.collect())
        assert {name: values for name, values in found.items() if name not in OWN} == stock(tmp_path)
