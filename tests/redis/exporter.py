"""A running ``gunicorn-prometheus-exporter serve``, and what a test asks of it."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM

from tests.e2e.exposition import Exposition
from tests.e2e.harness import IMPORT_ROOTS, free_port, growing_pauses, wait_until

_NOT_INHERITED = ("PROMETHEUS_", "REDIS_", "GUNICORN_", "CLEANUP_DB_FILES", "SIDECAR_MODE", "NODE_NAME", "POD_NAME")


class Exporter:
    """``serve`` with ``args`` and ``env``, on a free port; returns when it listens, unless ``wait`` is false."""

    def __init__(self, env: Mapping[str, str], *, args: Sequence[str] = (), wait: bool = True) -> None:
        self.port = int(env.get("PROMETHEUS_METRICS_PORT", free_port()))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        given = {
            "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS),
            "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
            "PROMETHEUS_METRICS_PORT": str(self.port),
            **env,
        }
        self._log = tempfile.NamedTemporaryFile(prefix="gpe-serve-", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn_prometheus_exporter", "serve", *args],
            env={**inherited, **given},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        if wait:
            try:
                wait_until(self._listens, 30.0, "serve listens")
            except BaseException:
                print(self.log())
                self.stop(SIGKILL)
                raise

    def get(self, path: str, accept: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def scrape(self) -> Exposition:
        status, text = self.get("/metrics")
        assert status == 200, text
        return Exposition(text, openmetrics=False)

    def scrape_until(self, fact: Callable[[Exposition], object], timeout: float = 20.0) -> Exposition:
        deadline = time.monotonic() + timeout
        pauses = growing_pauses()
        while not fact(seen := self.scrape()):
            assert time.monotonic() < deadline, f"not within {timeout} s; the last one:\n{seen.text}\n{self.log()}"
            time.sleep(next(pauses))
        return seen

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def stop(self, signum: int = SIGTERM) -> int:
        """Send ``signum`` and return the exit status. Safe to call again."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def _listens(self) -> bool:
        assert self.process.poll() is None, f"serve exited with {self.process.returncode}"
        try:
            self.get("/-/healthy")
        except OSError:
            return False
        return True
