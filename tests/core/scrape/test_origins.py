"""Segments of several masters in one exposition: added up, or told apart by a label."""

from __future__ import annotations

import json

import pytest

from gunicorn_prometheus_exporter.scrape.entries import parse_key
from gunicorn_prometheus_exporter.scrape.readings import Layout, Reading, Readings
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.storage.names import Origin, SegmentName

ONE, OTHER = "one/0000000000000001", "other/0000000000000002"


class Origins:
    """A source of readings: what each origin has of one family."""

    def __init__(self, kind: str, mode: str, sample: str, labels: dict[str, str], values: dict[Origin, float]) -> None:
        metric = sample.removesuffix("_total").removesuffix("_info")
        key = parse_key(kind, json.dumps([metric, sample, labels, "Help."]).encode())
        layout = Layout((key,))
        self._readings = [
            Reading(SegmentName(kind, mode, "1", origin), layout, (value,), (value,))
            for origin, value in values.items()
        ]

    def readings(self) -> Readings:
        return Readings(self._readings, 0, 0)


def exposition(*origin: object) -> list[str]:
    text = Scraper(Origins(*origin)).render().decode()  # type: ignore[arg-type]
    return [line for line in text.splitlines() if line[0] != "#" and not line.startswith("gunicorn_exporter_")]


def test_counters_of_several_origins_are_added_up():
    assert exposition("counter", "", "jobs_total", {}, {Origin(ONE): 1.0, Origin(OTHER): 2.0}) == ["jobs_total 3.0"]


def test_a_label_tells_them_apart_and_joins_those_of_one_instance():
    values = {
        Origin(ONE, (("instance_id", "one"),)): 1.0,
        Origin("one/carried", (("instance_id", "one"),)): 4.0,
        Origin(OTHER, (("instance_id", "other"),)): 2.0,
    }
    assert exposition("counter", "", "jobs_total", {"queue": "a"}, values) == [
        'jobs_total{instance_id="one",queue="a"} 5.0',
        'jobs_total{instance_id="other",queue="a"} 2.0',
    ]


def test_a_label_of_that_name_in_the_application_is_renamed():
    values = {Origin(ONE, (("instance_id", "one"),)): 1.0}
    assert exposition("counter", "", "jobs_total", {"instance_id": "theirs"}, values) == [
        'jobs_total{exported_instance_id="theirs",instance_id="one"} 1.0'
    ]


def test_values_of_each_process_stay_apart():
    """A gauge that is a series for each process has the processes of two hosts under the same number."""
    values = {Origin(ONE, (("instance_id", "one"),)): 1.0, Origin(OTHER, (("instance_id", "other"),)): 2.0}
    assert exposition("gauge", "liveall", "depth", {}, values) == [
        'depth{instance_id="one",pid="1"} 1.0',
        'depth{instance_id="other",pid="1"} 2.0',
    ]


def test_of_each_instance_the_newest_information_counts():
    values = {Origin(ONE, (("instance_id", "one"),)): 1.0, Origin(OTHER, (("instance_id", "other"),)): 2.0}
    assert exposition("info", "", "build_info", {"version": "7"}, values) == [
        'build_info{instance_id="one",version="7"} 1.0',
        'build_info{instance_id="other",version="7"} 1.0',
    ]


@pytest.mark.parametrize("labels", [(), (("instance_id", "one"),)])
def test_what_is_derived_by_worker_is_so_for_every_origin(labels):
    values = {Origin(ONE, labels): 2.0, Origin(OTHER, labels): 3.0}
    shown = dict(labels)
    wanted = ",".join(f'{name}="{value}"' for name, value in sorted({**shown, "worker_id": "1"}.items()))
    recorded = {"method": "GET", "endpoint": "/", "status": "200"}
    assert f"gunicorn_worker_requests_total{{{wanted}}} 5.0" in exposition(
        "counter", "", "gunicorn_http_requests_total", recorded, values
    )
