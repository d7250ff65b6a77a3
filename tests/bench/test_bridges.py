"""The benchmarks run. What they measure is for people to read, and never asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_cost_of_the_bridges_is_measured() -> None:
    """A line for each framework, with numbers in it."""
    command = [sys.executable, "-m", "bench.bridges", "--rounds", "1", "--requests", "5"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines()[1:]}
    assert set(rows) == {"flask", "django", "pyramid"}
    assert all(float(median) > 0 for row in rows.values() for median in row[:3])
