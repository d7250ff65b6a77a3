"""The measurement of a fleet in Redis runs, and is about what it says."""

from __future__ import annotations

import pytest

from bench import redis_fleet


def test_it_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(redis_fleet, "WORKERS", 2)
    assert redis_fleet.main(["3"]) == 0
    said = capsys.readouterr().out
    assert "2 workers, 600 series in all" in said
    assert "3 instances of 300 series each" in said
    assert " times faster" in said
