"""What the files of a metrics directory are called."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.storage.names import SegmentName, lock_name, parse_segment_name


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("counter_1.db", SegmentName("counter", "", "1")),
        ("histogram_m1.db", SegmentName("histogram", "", "m1")),
        ("summary_4711.db", SegmentName("summary", "", "4711")),
        ("gauge_livesum_s3.db", SegmentName("gauge", "livesum", "s3")),
        ("gauge_all_12.db", SegmentName("gauge", "all", "12")),
        ("info_1.state", SegmentName("info", "", "1")),
        ("stateset_2.state", SegmentName("stateset", "", "2")),
    ],
)
def test_a_name_and_its_parts(filename: str, name: SegmentName) -> None:
    """There and back."""
    assert parse_segment_name(filename) == name
    assert name.filename == filename


@pytest.mark.parametrize(
    "filename",
    [
        *("counter_1.db.tmp", "counter_.db", "counter_1-2.db", "gauge_1.db", "unknown_1.db", "journal_1.bin"),
        *("info_1.db", "counter_1.state", "x/counter_1.db", "counter_1.db\n", ".counter_1.db", "slot_1.lock"),
    ],
)
def test_other_files(filename: str) -> None:
    """Not segments, whatever they are."""
    assert parse_segment_name(filename) is None


def test_what_prometheus_client_cannot_read_has_another_ending() -> None:
    """Its collector reads every *.db in the directory and fails on a type it does not know."""
    for kind in ("info", "stateset"):
        assert not SegmentName(kind, "", "1").filename.endswith(".db")


def test_live() -> None:
    """Which values mean nothing without their owner."""
    assert SegmentName("gauge", "livemax", "1").is_live
    assert not SegmentName("gauge", "max", "1").is_live
    assert not SegmentName("counter", "", "1").is_live


def test_a_sampled_owner_lives_as_long_as_its_worker() -> None:
    """Its lock is the worker's."""
    assert lock_name("s3") == lock_name("3") == "slot_3.lock"
    assert lock_name("m1") == "slot_m1.lock"
