"""A sidecar: ``gunicorn-prometheus-exporter serve`` for a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.e2e.harness import IMPORT_ROOTS


class Sidecar:
    """Serves what is in ``directory`` on ``port`` of 127.0.0.1 while it is entered."""

    def __init__(self, directory: Path, port: int) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS),
            "PROMETHEUS_MULTIPROC_DIR": str(directory),
            "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
            "PROMETHEUS_METRICS_PORT": str(port),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn_prometheus_exporter", "serve"], env=environment, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
