"""Every alert and every panel against a real Prometheus that scrapes real Gunicorns, in good health and in trouble."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGHUP, SIGKILL
from typing import Any

import pytest
import yaml

from tests.docs.snippets import blocks
from tests.e2e.harness import ROOT, Gunicorn, free_port, wait_until
from tests.monitoring.board import PanelQuery, queries
from tests.monitoring.live import RULES, Prometheus
from tests.monitoring.sidecar import Sidecar
from tests.redis.servers import RedisServer

APP = Path(__file__).with_name("troubles_app.py")
HEALTHY = ("healthy_sync", "healthy_gthread")

# Which alerts fire for which job. Others may fire there too: what crashes all the time is short of workers.
EXPECTED = {
    "busy": {"GunicornSaturated", "GunicornBacklogWaiting", "GunicornBacklogNearlyFull"},
    "pool": {
        "GunicornSaturated",
        "GunicornThreadPoolQueueing",
        "GunicornRequestQueueing",
    },
    "crashing": {"GunicornWorkerCrashLoop"},
    "failing": {
        "GunicornErrorBudgetBurnsFast",
        "GunicornErrorBudgetBurnsSlowly",
        "GunicornWorkerTimeouts",
        "GunicornExporterErrors",
        "GunicornExporterDroppedSeries",
        "GunicornExporterUnreadableSegments",
    },
    "booting": {"GunicornWorkersKilled", "GunicornWorkersMissing"},
    "leaking": {"GunicornWorkerMemoryGrowing"},
    "redis": {"GunicornRedisDown", "GunicornRedisPublishFailing"},
    "sidecar": {"GunicornMasterGone"},
}
# While Redis is slow; then it is stopped.
EXPECTED_AT_FIRST = {"redis": {"GunicornRedisPublishSlow"}}
# For which the server has to be restarted, and at last stopped.
EXPECTED_AT_THE_END = {"leaking": {"GunicornMasterRestarting", "GunicornTargetDown"}}
JOBS = (*HEALTHY, *EXPECTED)


class Site:
    """The servers, one a job, started at the same time, and what bothers them until the end."""

    def __init__(self, stack: ExitStack) -> None:
        self.ports = {job: free_port() for job in JOBS}
        self._stack = stack
        self._over = threading.Event()
        self._servers: dict[str, Gunicorn] = {}
        self._redis = RedisServer()
        stack.callback(self._redis.remove)
        self._redis_is_slow = True

    def __getitem__(self, job: str) -> Gunicorn:
        return self._servers[job]

    def start(self) -> None:
        with ThreadPoolExecutor() as starters:
            for job, options in _OPTIONS.items():
                starters.submit(self.start_one, job, **options)
            starters.submit(self.start_one, "redis", env={"REDIS_PORT": str(self._redis.port), **_REDIS})
            starters.submit(self.start_one, "sidecar", env={"SIDECAR_MODE": "true"}, serves=False)
        assert self._servers.keys() == self.ports.keys()
        directory = self["sidecar"].directory
        assert directory is not None
        self._stack.enter_context(Sidecar(directory, self.ports["sidecar"]))

    def start_one(self, job: str, **options: Any) -> None:
        server = Gunicorn(APP, metrics_port=self.ports[job], **options)
        self._stack.callback(server.remove)
        # At once: some workers hang.
        self._stack.callback(server.stop, SIGKILL)
        self._servers[job] = server

    @contextmanager
    def bothered(self) -> Iterator[None]:
        """Do everything to the servers all the time."""
        bothers: list[Callable[[], object]] = []
        for job in HEALTHY:
            bothers += [self._asks(job, path, pause=0.3) for path in ("/", "/other", "/handles", "/moved")]
        bothers += [self._asks("busy", "/slow")] * 12
        bothers += [self._asks("pool", "/slow", ago=2.0)] * 8
        bothers.append(self._asks("leaking", "/leak", pause=0.3))
        bothers.append(self._asks("crashing", "/exit", pause=0.1))
        for path in ("/fails", "/handles", "/breaks", "/exporter-fails", "\x01"):
            bothers.append(self._asks("failing", path, pause=0.1))
        bothers += [self._asks("failing", "/hang"), self._hang_up]
        bothers += [self._asks("redis", "/", pause=0.1), self._slow_redis_down]
        bothers += [self._asks("failing", f"/one-of-many/{number}", pause=1.0) for number in range(12)]
        threads = [threading.Thread(target=self._until_over, args=(bother,)) for bother in bothers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _until_over(self, bother: Callable[[], object]) -> None:
        while not self._over.is_set():
            try:
                bother()
            except (OSError, http.client.HTTPException):
                # What is refused or cut off here is what the servers are for; but not as fast as possible.
                self._over.wait(0.1)

    def _asks(self, job: str, path: str, *, pause: float = 0.0, ago: float | None = None) -> Callable[[], object]:
        def ask() -> None:
            started = {} if ago is None else {"X-Request-Start": f"t={time.time() - ago}"}
            with self[job].connect(timeout=3.0) as connection:
                connection.request("POST", path, body=b"x" * 100, headers={"Connection": "close", **started})
            self._over.wait(pause)

        return ask

    def stop_redis(self) -> None:
        self._redis_is_slow = False
        self._redis.stop()

    def _slow_redis_down(self) -> None:
        if not self._redis_is_slow:
            self._over.wait()
            return
        self._redis.pause()
        self._over.wait(1.6)
        self._redis.resume()
        self._over.wait(0.05)

    def _hang_up(self) -> None:
        """HUP, so that workers end for a reason that is none to worry about."""
        self["healthy_gthread"].signal(SIGHUP)
        self._over.wait(15)


_OPTIONS: dict[str, dict[str, Any]] = {
    "healthy_sync": {"workers": 2},
    "healthy_gthread": {"workers": 2, "worker_class": "gthread", "args": ["--threads", "4"]},
    "busy": {"args": ["--backlog", "4"]},
    "pool": {"worker_class": "gthread", "args": ["--threads", "2"]},
    "crashing": {"workers": 3},
    "failing": {"workers": 3, "args": ["--timeout", "2"], "env": {"PROMETHEUS_MAX_SERIES": "10"}},
    "booting": {"workers": 2},
    "leaking": {},
}
_REDIS = {"REDIS_ENABLED": "true", "REDIS_PUBLISH_INTERVAL": "0.1", "REDIS_TIMEOUT": "10"}


@pytest.mark.timeout(300)
def test_alerts_fire_and_panels_show(prometheus_binary: Path, tmp_path: Path) -> None:
    """Each alert fires for the server that has its trouble; none ever does for the healthy ones, and every query of
    the dashboard and of the pages gives data."""
    with ExitStack() as stack:
        site = Site(stack)
        prometheus = stack.enter_context(Prometheus(prometheus_binary, tmp_path, site.ports))
        wait_until(lambda: ("GunicornMetricsAbsent", "") in _firing(prometheus), 20, "GunicornMetricsAbsent")
        site.start()
        stack.enter_context(site.bothered())
        # What happens before the first scrape is no increase.
        wait_until(lambda: len(prometheus.instant("up == 1")) == len(JOBS), 20, "a scrape of each")
        # What the dashboard offers to choose from.
        assert {one["metric"]["job"] for one in prometheus.instant("gunicorn_exporter_series")} == set(JOBS)
        _make_trouble(site)
        _wait_for_alerts(prometheus, EXPECTED_AT_FIRST)
        site.stop_redis()
        _wait_for_alerts(prometheus, EXPECTED)
        assert _without_data(prometheus) == []
        assert _empty_overview(prometheus, HEALTHY[0]) == set()
        _restart(site, "leaking", prometheus)
        _wait_for_alerts(prometheus, EXPECTED_AT_THE_END)
        assert _ever_fired(prometheus, "|".join(HEALTHY)) == set()
        for alert in prometheus.alerts():
            rendered = " ".join(alert["annotations"].values())
            assert "<no value>" not in rendered, rendered
            assert "error" not in re.findall(r"<(\w+)", rendered), rendered


def _make_trouble(site: Site) -> None:
    """What is done once."""
    (site["booting"].home / "slow-to-boot").touch()
    site["booting"].signal(SIGKILL, site["booting"].worker_pids()[0])
    site["sidecar"].stop(SIGKILL)
    directory = site["failing"].directory
    assert directory is not None
    (directory / "counter_99.db").write_bytes(b"\xff" * 100)


def _restart(site: Site, job: str, prometheus: Prometheus) -> None:
    """Start it three times more, each time until Prometheus has seen it, and stop it."""
    started = f'gunicorn_master_start_time_seconds{{job="{job}"}}'
    for _ in range(3):
        before = prometheus.instant(started)[0]["value"][1]
        site[job].stop(SIGKILL)
        site.start_one(job, wait=False)
        wait_until(lambda: any(one["value"][1] != before for one in prometheus.instant(started)), 20, "a scrape")  # noqa: B023
    site[job].stop(SIGKILL)


def _firing(prometheus: Prometheus) -> set[tuple[str, str]]:
    """The alerts that fire now, each with its job."""
    found = prometheus.instant('ALERTS{alertstate="firing"}')
    return {(one["metric"]["alertname"], one["metric"].get("job", "")) for one in found}


def _ever_fired(prometheus: Prometheus, jobs: str) -> set[str]:
    found = prometheus.instant(f'count_over_time(ALERTS{{alertstate="firing",job=~"{jobs}"}}[10m])')
    return {one["metric"]["alertname"] for one in found}


def _missing(prometheus: Prometheus, expected: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Which of the expected alerts have not fired yet."""
    return {(job, alert) for job, alerts in expected.items() for alert in alerts - _ever_fired(prometheus, job)}


def _wait_for_alerts(prometheus: Prometheus, expected: dict[str, set[str]]) -> None:
    deadline = time.monotonic() + 90
    while missing := _missing(prometheus, expected):
        assert time.monotonic() < deadline, f"never fired: {sorted(missing)}; did: {sorted(_firing(prometheus))}"
        time.sleep(1)


def _without_data(prometheus: Prometheus) -> list[str]:
    """The queries that give nothing: of all panels, and of the pages."""
    silent = [f"{query.row}, {query.panel}: {query.expr}" for query in queries() if not _gives(prometheus, query)]
    return silent + [f"{page}: {expr}" for page, expr in _queries_of_pages() if not prometheus.instant(expr)]


def _empty_overview(prometheus: Prometheus, job: str) -> set[str]:
    """The panels of the overview that have nothing to show for ``job`` alone."""
    overview = [query for query in queries(job=job) if query.row == "Overview"]
    return {query.panel for query in overview} - {query.panel for query in overview if _gives(prometheus, query)}


def _gives(prometheus: Prometheus, query: PanelQuery) -> bool:
    return bool(prometheus.instant(query.expr) if query.instant else prometheus.over_time(query.expr, 60))


def _queries_of_pages() -> Iterator[tuple[str, str]]:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")]:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "promql":
                yield f"{page.relative_to(ROOT)}, line {block.line}", block.text


def test_every_alert_is_tried() -> None:
    tried = {"GunicornMetricsAbsent"}.union(*EXPECTED.values(), *EXPECTED_AT_FIRST.values())
    tried.update(*EXPECTED_AT_THE_END.values())
    alerts = yaml.safe_load((RULES / "gunicorn-alerts.yml").read_text())["groups"]
    assert tried == {rule["alert"] for group in alerts for rule in group["rules"]}
