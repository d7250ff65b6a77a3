"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from tests.e2e.harness import ROOT


def test_python_dash_m_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn_prometheus_exporter", "--version"],
        capture_output=True,
        text=True,
        cwd=ROOT / "core",
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (
        0,
        f"gunicorn-prometheus-exporter {version('gunicorn-prometheus-exporter')}\n",
    )
