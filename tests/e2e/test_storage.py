"""What can be wrong with a metrics directory, and who else may be in it: the numbers stay right."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from tests.e2e.harness import Gunicorn, wait_until
from tests.e2e.load import Witness
from tests.e2e.site import REQUESTS

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
# A bridge gone wrong: it takes what the client sent for a route.
LEAKING_APP = """
from gunicorn_prometheus_exporter.note import note_of

def app(environ, start_response):
    note_of(environ).endpoint(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
DROPPED = "gunicorn_exporter_dropped_series_total"


def get(server: Gunicorn, times: int) -> None:
    for _ in range(times):
        assert server.get().status == 200


def total_of(server: Gunicorn, requests: float) -> None:
    server.scrape_until(lambda e: e.total(REQUESTS) >= requests)
    assert server.scrape().total(REQUESTS) == requests


def segment(path: Path, name: str, value: float) -> None:
    """A sound segment as prometheus_client writes it."""
    values = MmapedDict(str(path))
    values.write_value(mmap_key(name, f"{name}_total", [], [], "Help."), value, 0.0)
    values.close()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:40],
    "empty": lambda data: b"",
    "shorter than a header": lambda data: data[:3],
    "text": lambda data: b"this is no segment\n" * 50,
    "zeros": lambda data: bytes(len(data)),
    "too long": lambda data: struct.pack("i", 1 << 30) + data[4:],
    "negative": lambda data: struct.pack("i", -8) + data[4:],
    "key too long": lambda data: data[:8] + struct.pack("i", 1 << 20) + data[12:],
    "key is no JSON": lambda data: data[:12] + b"\xff" * 8 + data[20:],
    "not aligned": lambda data: struct.pack("i", struct.unpack_from("i", data)[0] + 3) + data[4:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_segments(gunicorn: Callable[..., Gunicorn], tmp_path: Path, damage: str) -> None:
    """A worker's and a stranger's segment that are no segments: the worker starts anew, the stranger's is skipped."""
    sound = tmp_path / "sound.db"
    segment(sound, "old", 5)
    damaged = DAMAGE[damage](sound.read_bytes())
    directory = tmp_path / "metrics"
    directory.mkdir()
    for name in ("counter_1", "histogram_1", "gauge_livesum_1", "counter_m1", "counter_4711", "summary_4711"):
        (directory / f"{name}.db").write_bytes(damaged)
    (directory / "journal_1.bin").write_bytes(b"\xff" * 1000 if damage == "text" else damaged[:777])
    segment(directory / "counter_4712.db", "stranger", 7)
    server = gunicorn(APP, directory=directory)
    get(server, 3)
    seen = server.scrape_until(lambda e: e.value(REQUESTS, method="GET", status="200") == 3)
    assert seen.value("gunicorn_http_request_duration_seconds_count", method="GET") >= 3
    assert seen.value("stranger_total") == 7
    nothing_in_it = damage in ("empty", "zeros")
    assert seen.value("gunicorn_exporter_unreadable_segments") == (0 if nothing_in_it else 2)


def test_damage_at_run_time(gunicorn: Callable[..., Gunicorn]) -> None:
    """A segment of a stranger that breaks while it is served goes missing, and comes back whole when it is mended."""
    server = gunicorn(APP)
    assert server.directory is not None
    stranger = server.directory / "counter_4712.db"
    segment(stranger, "stranger", 7)
    assert server.scrape().value("stranger_total") == 7
    sound = stranger.read_bytes()
    for damage in ("truncated", "text", "key is no JSON", "empty"):
        stranger.write_bytes(DAMAGE[damage](sound))
        assert server.scrape().samples("stranger_total") == []
        stranger.write_bytes(sound)
        assert server.scrape().value("stranger_total") == 7


def test_other_files_are_ignored(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """A directory is a place where others leave things too."""
    directory = tmp_path / "metrics"
    directory.mkdir()
    (directory / "README").write_text("hello")
    (directory / "counter_x-1.db").write_text("hello")
    (directory / "unknown_1.db").write_text("hello")
    (directory / "counter_88.db").mkdir()
    os.symlink("/dev/zero", directory / "counter_89.db")
    server = gunicorn(APP, directory=directory)
    get(server, 2)
    total_of(server, 2)
    server.stop()
    assert (directory / "README").exists()


def test_two_masters_in_one_directory(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """Two applications share a directory: slots of their own, and both endpoints serve the union of both."""
    first = gunicorn(APP, workers=2, directory=tmp_path / "metrics")
    second = gunicorn(APP, workers=1, directory=tmp_path / "metrics")
    get(first, 3)
    get(second, 4)
    total_of(first, 7)
    total_of(second, 7)
    seen = second.scrape()
    assert seen.label_values("gunicorn_worker_requests_in_progress", "worker_id") == {"1", "2", "3"}
    assert seen.value("gunicorn_worker_requests_total", worker_id="3") == 4
    assert first.directory is not None
    assert {path.name for path in first.directory.glob("slot_m*")} == {"slot_m1.lock", "slot_m2.lock"}
    first.stop()
    get(second, 1)
    total_of(second, 8)
    assert second.scrape().label_values("gunicorn_worker_requests_in_progress", "worker_id") == {"3"}
    third = gunicorn(APP, workers=1, directory=tmp_path / "metrics")
    get(third, 1)
    total_of(third, 9)


def test_masters_that_start_at_once(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """Neither cleans up what the other has just made."""
    servers = [gunicorn(APP, workers=2, directory=tmp_path / "metrics", wait=False) for _ in range(3)]
    for server in servers:
        server.wait_booted()
    for server in servers:
        get(server, 2)
    for server in servers:
        total_of(server, 6)
    workers = servers[0].scrape().label_values("gunicorn_worker_requests_in_progress", "worker_id")
    assert workers == {"1", "2", "3", "4", "5", "6"}


@pytest.mark.parametrize("cleanup", ["true", "false"])
def test_what_dead_masters_left(gunicorn: Callable[..., Gunicorn], tmp_path: Path, cleanup: str) -> None:
    """After a SIGKILL of everything, the next start begins anew; with CLEANUP_DB_FILES=false it continues."""
    directory = tmp_path / "metrics"
    first = gunicorn(APP, workers=3, directory=directory)
    get(first, 5)
    total_of(first, 5)
    os.killpg(first.pid, SIGKILL)
    first.stop()
    segment(directory / "counter_4712.db", "stranger", 7)
    second = gunicorn(APP, workers=1, directory=directory, env={"CLEANUP_DB_FILES": cleanup})
    get(second, 2)
    total_of(second, 2 if cleanup == "true" else 7)
    seen = second.scrape()
    assert seen.value("stranger_total") == 7
    assert seen.label_values("gunicorn_worker_requests_in_progress", "worker_id") == {"1"}
    assert len(seen.samples("gunicorn_worker_requests_total")) == (1 if cleanup == "true" else 3)


def private_directory(server: Gunicorn) -> Path:
    """Where a master keeps its metrics if it was told nothing: where its lock is."""
    descriptors = Path(f"/proc/{server.pid}/fd")
    targets = [os.readlink(descriptor) for descriptor in descriptors.iterdir()]
    return next(Path(target).parent for target in targets if target.endswith("slot_m1.lock"))


@pytest.mark.matrix
@pytest.mark.parametrize("signum", [SIGTERM, SIGINT])
def test_private_directory(gunicorn: Callable[..., Gunicorn], signum: int) -> None:
    """Without a named directory there is a private one, for the owner's eyes only, that goes with the master."""
    server = gunicorn(APP, workers=2, directory="")
    get(server, 3)
    total_of(server, 3)
    directory = private_directory(server)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert (directory / "counter_1.db").exists()
    assert server.stop(signum) == 0
    assert not directory.exists()


def test_private_directory_of_a_killed_master(gunicorn: Callable[..., Gunicorn]) -> None:
    """What a SIGKILL left behind is removed by the next start."""
    killed = gunicorn(APP, directory="")
    directory = private_directory(killed)
    os.killpg(killed.pid, SIGKILL)
    killed.stop()
    alive = gunicorn(APP, directory="")
    other = gunicorn(APP, directory="")
    assert not directory.exists()
    assert private_directory(alive).exists()
    assert private_directory(alive) != private_directory(other)


def send_paths(server: Gunicorn, paths: int) -> None:
    with server.connect() as connection:
        for number in range(paths):
            assert connection.request("GET", f"/{number}/{number * 7919}").status == 200


def test_ten_thousand_paths(gunicorn: Callable[..., Gunicorn]) -> None:
    """Without a bridge a path is no label: ten thousand of them make the series of one."""
    server = gunicorn(APP, worker_class="gthread")
    send_paths(server, 10)
    series = {series for series in server.scrape().series() if series[0].startswith("gunicorn_http")}
    send_paths(server, 9_990)
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 10_000)
    assert seen.value(REQUESTS, endpoint="__unrouted__", method="GET", status="200") == 10_000
    assert {series for series in seen.series() if series[0].startswith("gunicorn_http")} == series


def test_ten_thousand_paths_that_leak(gunicorn: Callable[..., Gunicorn]) -> None:
    """A bridge that takes each path for a route: what is over the cap is one series, and is counted as dropped."""
    server = gunicorn(LEAKING_APP, worker_class="gthread", env={"PROMETHEUS_MAX_SERIES": "100"})
    send_paths(server, 10_000)
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 10_000)
    assert len(seen.samples(REQUESTS)) == 101
    assert seen.value(REQUESTS, endpoint="__other__") == 9_900
    assert seen.value(DROPPED, family="gunicorn_http_requests") == 9_900
    assert seen.total("gunicorn_http_request_duration_seconds_count") == 10_000
    assert seen.value("gunicorn_http_response_size_bytes_sum", endpoint="__other__") == 5 * 9_900
    server.kill_worker()
    server.wait_booted()
    send_paths(server, 200)
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 10_200)
    assert len(seen.samples(REQUESTS)) == 101, "the next worker has the cap of its slot, not one of its own"


def test_segments_grow_while_they_are_scraped(gunicorn: Callable[..., Gunicorn]) -> None:
    """400 endpoints do not fit into the first 64 KiB: nothing is missing and nothing goes back at any moment."""
    server = gunicorn(LEAKING_APP, worker_class="gthread")
    with Witness(server, 0.02) as witness:
        send_paths(server, 400)
        seen = server.scrape_until(lambda e: e.total(REQUESTS) == 400)
    assert len(seen.samples(REQUESTS)) == 400
    assert seen.total("gunicorn_http_request_size_bytes_count") == 400
    assert seen.value("gunicorn_exporter_unreadable_segments") == 0
    assert witness.scrapes > 3
    assert server.directory is not None
    assert (server.directory / "histogram_1.db").stat().st_size > 1 << 20


def test_directory_that_cannot_be_used(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """A setting that cannot work stops the start with one message that names it."""
    (tmp_path / "file").write_text("")
    server = gunicorn(APP, directory=tmp_path / "file" / "metrics", wait=False)
    wait_until(lambda: server.process.poll() is not None)
    assert server.stop() != 0
    assert "PROMETHEUS_MULTIPROC_DIR" in server.log()
    assert str(tmp_path / "file" / "metrics") in server.log()
