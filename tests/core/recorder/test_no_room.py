"""Requests whose series find no room: they end, and cost no later one anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage.segment import Segment, SegmentFullError
from tests.core.recorder.recording import Recording

REQUESTS = "gunicorn_http_requests_total"


def no_room(segment: Segment, key: str) -> int:
    raise SegmentFullError


def test_a_request_without_room(tmp_path: Path) -> None:
    """It is over: its cell is free, nothing is in progress, and the worker is idle."""
    recording = Recording(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, "_append", no_room)
        for _ in range(10):
            with pytest.raises(SegmentFullError):
                recording.serve(endpoint="/x")
    assert not recording.journal.busy()
    assert not recording.journal.busy_seconds()[1]
    assert len(recording.journal.free) == 4
    assert recording.values("gunicorn_worker_requests_in_progress") == {("1",): 0}


def test_no_room_is_not_the_cap(tmp_path: Path) -> None:
    """What was not made does not count as a label set, so there is as much as ever once there is room."""
    recording = Recording(tmp_path, max_series=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, "_append", no_room)
        for number in range(20):
            with pytest.raises(SegmentFullError):
                recording.serve(endpoint=f"/{number}")
    recording.serve(endpoint="/x")
    assert recording.values(REQUESTS) == {("/x", "GET", "200"): 1}


def test_recovery_without_room(tmp_path: Path) -> None:
    """What cannot be counted is forgotten, or it would keep the slot's next workers from starting."""
    Recording(tmp_path).serve(endpoint="/known")
    dead = Recording(tmp_path)
    dead.begin(endpoint="/new").start_response("200 OK", [])
    dead.begin(endpoint="/known").start_response("200 OK", [])
    heir = Recording(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, "_append", no_room)
        with pytest.raises(SegmentFullError):
            heir.recorder.recover_all()
    assert not heir.journal.busy()
    assert heir.values(REQUESTS) == {("/known", "GET", "200"): 2}
