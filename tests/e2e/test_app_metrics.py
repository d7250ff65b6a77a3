"""The application's own prometheus_client metrics: on the same endpoint, merged as prometheus_client itself does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.catalogue import CATALOGUE, INTERNAL
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.metrics_app import MODES

APP = Path(__file__).with_name("metrics_app.py")
SETUPS = {"plain": [], "preloaded": ["--preload"]}

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def stock(directory: Path | None) -> Series:
    """What prometheus_client's own collector reads from the directory, without the types it does not know."""
    assert directory is not None
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        if family.type not in ("info", "stateset") and family.name not in INTERNAL
        for sample in family.samples
    }


def ours(seen: Exposition) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in seen.families.values()
        for sample in family.samples
    }


def differences(server: Gunicorn) -> dict[tuple[str, tuple[tuple[str, str], ...]], object]:
    """Each series that prometheus_client reads from the directory, where our endpoint says something else."""
    said, read = ours(server.scrape()), stock(server.directory)
    return {series: (value, said.get(series)) for series, value in read.items() if said.get(series) != value}


@pytest.mark.matrix
@pytest.mark.parametrize("setup", SETUPS)
def test_every_kind(gunicorn: Callable[..., Gunicorn], worker_class: str, setup: str) -> None:
    """Every kind and mode, updated by several workers: as prometheus_client's own collector has it."""
    server = gunicorn(APP, worker_class=worker_class, workers=2, args=SETUPS[setup])
    updates = [float(value) for value in range(1, 13)]
    pids = [int(server.get(f"/update?value={value}").body) for value in updates]
    seen = server.scrape()
    assert seen.value("my_jobs_total") == sum(updates)
    assert seen.value("my_calls_total", kind="é", place='a"b\\c') == sum(updates)
    assert seen.value("my_untouched_total") == 0
    assert seen.value("my_latency_seconds_count") == len(updates)
    assert seen.value("my_latency_seconds_sum") == sum(updates)
    assert seen.value("my_latency_seconds_bucket", le="2.0") == 2
    assert seen.value("my_work_seconds_count") == len(updates)
    assert seen.value("my_part_seconds_sum", part="p") == sum(updates)
    last = dict(zip(pids, updates, strict=True))
    # A worker that was not asked, and a master that preloaded the application, have gauges that are still 0.
    idle = [0.0] * (2 - len(last) + (setup == "preloaded"))
    for prefix in ("", "live"):
        assert seen.value(f"my_{prefix}sum_level") == sum(last.values())
        assert seen.value(f"my_{prefix}min_level") == min([*last.values(), *idle])
        assert seen.value(f"my_{prefix}max_level") == max(last.values())
        assert seen.value(f"my_{prefix}mostrecent_level") == updates[-1]
        each = sorted(sample.value for sample in seen.samples(f"my_{prefix}all_level"))
        assert [value for value in each if value] == sorted(last.values())
    assert [sample.labels for sample in seen.samples("my_build_info")] == [{"version": "12.0", "branch": "main"}]
    assert seen.value("my_part_build_info", part="p", version="12.0") == 1
    states = {sample.labels["my_state"]: sample.value for sample in seen.samples("my_state")}
    assert states == {"starting": 0, "running": 1, "stopped": 0}
    assert seen.value("my_part_state", part="p", my_part_state="down") == 1
    assert seen.families["my_latency_seconds"].documentation == "Latency."
    assert seen.families["my_calls"].documentation == 'Calls with "quotes", \\ and\nlines.'
    wait_until(lambda: not differences(server), what="no differences")


def test_every_recorded_family(gunicorn: Callable[..., Gunicorn]) -> None:
    """A stock MultiProcessCollector reads from the directory what our endpoint says, for every recorded family."""
    server = gunicorn(Path(__file__).with_name("traffic_app.py"), worker_class="gthread", workers=2)
    for path in ("plain/a", "stream/a?parts=2&size=100", "raise/a?error=ValueError", "status/a?status=404%20Gone"):
        for method in ("GET", "POST", "HEAD"):
            server.get(f"/{path}", method)
    with server.connect() as connection:
        connection.send(b"GARBAGE\r\n\r\n")
        connection.read_all()
    server.kill_worker()
    server.wait_booted()
    server.get("/plain/a")
    wait_until(lambda: not differences(server), what="no differences")
    read = {name for name, _ in stock(server.directory)}
    assert {"gunicorn_http_requests_total", "gunicorn_http_response_size_bytes_bucket"} <= read
    assert {"gunicorn_http_exceptions_total", "gunicorn_http_parse_errors_total"} <= read
    assert {"gunicorn_worker_exits_total", "gunicorn_worker_requests_in_progress"} <= read
    known = {name for name in read if name.startswith("gunicorn_")}
    assert all(any(name.startswith(family) for family in CATALOGUE) for name in known)


def test_dead_workers_gauges(gunicorn: Callable[..., Gunicorn]) -> None:
    """A live gauge goes with its worker; any other keeps the last value of its slot."""
    server = gunicorn(APP, workers=1)
    server.get("/update?value=5")
    assert len(server.scrape().samples("my_livesum_level")) == 1
    server.kill_worker()
    server.wait_booted()
    seen = server.scrape()
    for mode in MODES:
        value = 0 if mode.startswith("live") else 5
        if mode != "livemostrecent":
            assert seen.value(f"my_{mode}_level") == value, mode
        assert [sample.value for sample in seen.samples(f"my_{mode}_part", part="p")] == ([value] if value else []), (
            mode
        )
    assert seen.value("my_jobs_total") == 5
    server.get("/update?value=2")
    assert server.scrape().value("my_jobs_total") == 7
    assert server.scrape().value("my_sum_level") == 2
    assert not differences(server)


CONFIGURATION = """
from prometheus_client import Counter, Gauge, Info

boots = Counter("conf_boots", "Workers that were forked.")
ready = Counter("conf_ready", "Masters that are ready.", ["who"])
early = Counter("conf_early", "Incremented while the configuration was read.")
wanted = Gauge("conf_workers", "Workers wanted.", multiprocess_mode="max")
early.inc(3)
release = Info("conf_release", "The release.")
release.info({"version": "7"})

def when_ready(server):
    ready.labels("master").inc()
    wanted.set(server.cfg.workers)

def post_fork(server, worker):
    boots.inc()
"""


@pytest.mark.matrix
@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("private", [False, True])
def test_metrics_of_the_configuration_file(
    gunicorn: Callable[..., Gunicorn], tmp_path: Path, setup: str, private: bool
) -> None:
    """Metrics that exist before the worker class is loaded are taken over with what they have counted.

    If the environment names a directory, prometheus_client keeps them there from the start, in files of its own.
    """
    directory = "" if private else tmp_path
    server = gunicorn(APP, workers=2, args=SETUPS[setup], conf=CONFIGURATION, directory=directory)
    seen = server.scrape()
    assert seen.value("conf_boots_total") == 2
    assert seen.value("conf_ready_total", who="master") == 1
    assert seen.value("conf_early_total") == 3
    assert seen.value("conf_workers") == 2
    assert seen.value("conf_release_info", version="7") == 1
    server.kill_worker()
    server.wait_booted()
    seen = server.scrape()
    assert seen.value("conf_boots_total") == 3
    assert seen.value("conf_ready_total", who="master") == 1
    assert seen.value("conf_early_total") == 3


@pytest.mark.parametrize("setup", SETUPS)
def test_child_process_of_a_worker(gunicorn: Callable[..., Gunicorn], setup: str) -> None:
    """A process that the application forks has a slot of its own, so it adds to the worker's numbers."""
    server = gunicorn(APP, workers=1, args=SETUPS[setup])
    server.get("/update?value=5")
    for value in (1, 2, 3):
        server.get(f"/child?value={value}")
    server.get("/update?value=7")
    seen = server.scrape()
    assert seen.value("my_jobs_total") == 18
    assert seen.value("my_latency_seconds_count") == 5
    assert seen.value("my_livesum_level") == 7
    assert seen.value("gunicorn_http_requests_total") == 5
    # prometheus_client's collector cannot tell that the child is gone.
    assert all("_live" in name for name, _ in differences(server))
    assert server.directory is not None
    owners = {path.stem.rpartition("_")[2] for path in server.directory.glob("counter_*.db")}
    assert owners == {"1", "2", "m1"}, "the next child gets the slot of the last one"
