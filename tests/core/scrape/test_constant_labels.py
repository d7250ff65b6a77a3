"""Labels that every sample gets when it is shown."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed

LABELS = (("env", 'a "b"'), ("team", "shop"))
SEGMENT = MemorySegment(
    "counter_1.db",
    packed(
        (key("plain", "plain_total"), 1.0),
        (key("own", "own_total", {"team": "mine", "x": "1"}), 2.0),
        (key("mixed", "mixed_total", {"team": "shop"}), 3.0),
        (key("mixed", "mixed_total"), 4.0),
    ),
)


def live() -> list[GaugeMetricFamily]:
    return [GaugeMetricFamily("live", "Help.", value=5.0)]


def test_every_sample_gets_them() -> None:
    """From storage, from memory and the exporter's own; a family's own label stays, and no two samples become one."""
    scraper = Scraper(MemorySource(SEGMENT), constant_labels=LABELS, extra=[live])
    for _ in range(2):
        lines = scraper.render().decode().splitlines()
        assert {line for line in lines if not line.startswith(("#", "gunicorn_"))} == {
            'plain_total{env="a \\"b\\"",team="shop"} 1.0',
            'own_total{env="a \\"b\\"",team="mine",x="1"} 2.0',
            'mixed_total{env="a \\"b\\"",team="shop"} 3.0',
            'mixed_total{env="a \\"b\\""} 4.0',
            'live{env="a \\"b\\"",team="shop"} 5.0',
        }
        own = [line for line in lines if line.startswith("gunicorn_")]
        assert own
        assert all('{env="a \\"b\\"",team="shop"}' in line for line in own)
    strict = list(openmetrics_families(scraper.render(openmetrics=True).decode()))
    assert {sample.labels["env"] for family in strict for sample in family.samples} == {'a "b"'}


def test_a_registry_has_them_too() -> None:
    """And `names` picks families as before."""
    scraper = Scraper(MemorySource(SEGMENT), constant_labels=LABELS)
    [plain] = [metric for metric in scraper.collect() if metric.name == "plain"]
    assert plain.samples[0].labels == dict(LABELS)
    assert scraper.render(names=["plain_total"]).decode().endswith('\nplain_total{env="a \\"b\\"",team="shop"} 1.0\n')
