"""The short form of every part runs. What it measures is too little to mean anything, and never asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("part", ["hot_path", "served", "scrape", "endurance", "growth"])
def test_the_short_form_runs(part: str) -> None:
    command = [sys.executable, "-m", "bench", "--check", part]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=480)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Written: " in ran.stdout


def test_a_part_that_is_not_there_is_refused() -> None:
    command = [sys.executable, "-m", "bench", "hotpath"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2
    assert "no such part: hotpath; there are hot_path, served" in ran.stderr
