"""A real Prometheus with this project's rules, whose windows are made short enough for a test."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.e2e.harness import ROOT, free_port, wait_until

RULES = ROOT / "monitoring" / "prometheus" / "rules"
# Not the window of an increase: nothing waits for its end, and some events take their time.
_DURATION = re.compile(
    r"(?P<counted>(?:increase|changes)\([^\[\]]*\[\w+\])"
    r"|(?:(?<=\[)|(?<=offset )|(?<=for: ))(?P<number>\d+)(?P<unit>[smhd])\b"
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def shortened(rules: str) -> str:
    """The text of a rules file in which every duration is short: a minute is a second, three days are half a minute.

    What is longer stays longer, so that one window is still in another.
    """

    def short(match: re.Match[str]) -> str:
        if match["counted"]:
            return match["counted"]
        seconds = int(match["number"]) * _SECONDS[match["unit"]]
        after = seconds / 60 if seconds <= 300 else 5 + 2 * math.log2(seconds / 300)
        return f"{round(after * 1000)}ms"

    return _DURATION.sub(short, rules)


class Prometheus:
    """A running Prometheus that scrapes ``targets``, a port by job, every second. A context manager that ends it.

    ``flags`` are more arguments.
    """

    def __init__(self, binary: Path, home: Path, targets: Mapping[str, int], *flags: str) -> None:
        self._port = free_port()
        for rules in RULES.glob("*.yml"):
            (home / rules.name).write_text(shortened(rules.read_text()))
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules.name for rules in RULES.glob("*.yml")],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for job, port in targets.items()
            ],
        }
        (home / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._log = home / "prometheus.log"
        command = [str(binary), f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *flags, f"--web.listen-address=127.0.0.1:{self._port}"], stdout=log, stderr=log
            )

    def __enter__(self) -> Prometheus:
        try:
            wait_until(self._is_ready, 30, "Prometheus is ready")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def instant(self, query: str) -> list[Any]:
        """What ``query`` gives now. Raises AssertionError if it is no valid query."""
        return self._results("query", query=query)

    def over_time(self, query: str, seconds: int) -> list[Any]:
        """What ``query`` gives over the last ``seconds``."""
        now = time.time()
        return self._results("query_range", query=query, start=now - seconds, end=now, step=max(seconds // 20, 1))

    def alerts(self) -> list[Any]:
        """All alerts, pending ones too, with their annotations."""
        return list(self._get("alerts")["data"]["alerts"])

    def exemplars(self, query: str) -> list[Any]:
        """The exemplars of the last minute, by series."""
        now = time.time()
        return list(self._get("query_exemplars", query=query, start=now - 60, end=now + 1)["data"])

    def _results(self, path: str, **parameters: object) -> list[Any]:
        return [result for result in self._get(path, **parameters)["data"]["result"] if _has_value(result)]

    def _get(self, path: str, **parameters: object) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            self._get("status/runtimeinfo")
        except (OSError, AssertionError):
            return False
        return True


def _has_value(result: Any) -> bool:
    values = result["values"] if "values" in result else [result["value"]]
    return any(value != "NaN" for _, value in values)
