"""Real Gunicorns to be measured: started, pinned to cores, watched from /proc, and stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

from .environments import ROOT, environ, python_of
from .in_process import memory_directory
from .machine import pinned
from .variants import Variant

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


class Server:
    """A running Gunicorn of ``variant``, on ``cores``, answering when the constructor returns. A context manager.

    ``settings`` are Gunicorn's and win over the variant's, ``conf`` is more text for its configuration file,
    ``environ`` more environment.
    """

    def __init__(
        self,
        variant: Variant,
        cores: Collection[int],
        *,
        settings: Mapping[str, Any] | None = None,
        conf: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = variant.name
        self.path = variant.path
        self._home = tempfile.TemporaryDirectory(prefix="bench-", dir=memory_directory())
        self.home = Path(self._home.name)
        (self.home / "metrics").mkdir()
        self.port, self.metrics_port = free_port(), free_port()
        # Nobody reads it: what does not fit its buffer is dropped, which is the least a statsd can cost.
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind(("127.0.0.1", 0))
        self._configure(variant, settings or {}, conf)
        with (self.home / "log").open("wb") as log, pinned(cores):
            self._process = subprocess.Popen(
                [
                    str(python_of(variant.environment)),
                    "-m",
                    "gunicorn",
                    "-c",
                    str(self.home / "conf.py"),
                    variant.target,
                ],
                cwd=ROOT,
                env=self._environ(variant, environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the application answers."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        return [child.pid for child in psutil.Process(self.pid).children()]

    def worker_seconds(self) -> float:
        """CPU seconds of all workers that live."""
        return sum(map(cpu_seconds, self.workers()))

    def get(self, path: str = "/metrics", accept: str = "", encoding: str = "identity") -> bytes:
        """A page of the metrics port, as it was sent. Raises RuntimeError for any status but 200."""
        return get(self.metrics_port, path, {"Accept": accept or "*/*", "Accept-Encoding": encoding})

    def signal(self, number: int) -> None:
        """Send a signal to the master."""
        self._process.send_signal(number)

    def log(self) -> str:
        """What Gunicorn printed."""
        return (self.home / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End it and forget its files. Safe to call again."""
        if self._process.poll() is None:
            workers = self.workers()
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                for pid in (self.pid, *workers):
                    _kill(pid)
                self._process.wait(STOP_SECONDS)
        self._sink.close()
        self._home.cleanup()

    def _configure(self, variant: Variant, settings: Mapping[str, Any], conf: str) -> None:
        values: dict[str, Any] = {
            "bind": f"127.0.0.1:{self.port}",
            "workers": 1,
            "loglevel": "warning",
            "worker_class": variant.worker_class,
            "worker_tmp_dir": str(self.home),
            **variant.settings,
            **settings,
        }
        if variant.statsd:
            values["statsd_host"] = f"127.0.0.1:{self._sink.getsockname()[1]}"
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        (self.home / "conf.py").write_text("\n".join([variant.conf, *lines, conf]) + "\n")

    def _environ(self, variant: Variant, more: Mapping[str, str]) -> dict[str, str]:
        port = {"PROMETHEUS_METRICS_PORT": str(self.metrics_port)}
        return {**environ(variant.environment, self.home, **port), **variant.environ, **more}

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not answer:\n{self.log()}")
            try:
                get(self.port, self.path)
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of a page of 127.0.0.1. Raises RuntimeError for any status but 200, OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path} gave {response.status}: {body[:200]!r}")
    return body


def free_port() -> int:
    """A TCP port that nobody has, below those that the kernel gives to clients."""
    while True:
        port = 10_000 + int.from_bytes(os.urandom(2), "little") % 20_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def cpu_seconds(pid: int) -> float:
    """CPU time of the process ``pid`` up to now, to the nanosecond; 0.0 if it is gone."""
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return total / 1e9
    return total / 1e9


def memory_kib(pid: int) -> float:
    """The memory that would be free without the process ``pid``, and its part of what it shares (PSS), in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    raise RuntimeError("the kernel does not tell the proportional set size")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
