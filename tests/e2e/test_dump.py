"""The command ``dump`` beside real servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import IMPORT_ROOTS, Gunicorn, wait_until
from tests.redis.conftest import redis_server as redis_server
from tests.redis.servers import RedisServer

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
REQUESTS = "gunicorn_http_requests_total"


def dump(*arguments: str, **environment: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn_prometheus_exporter", "dump", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), **environment},
        timeout=30,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def asked_three_times(server: Gunicorn) -> None:
    for _ in range(3):
        assert server.get("/").status == 200
    server.scrape_until(lambda seen: seen.total(REQUESTS) == 3)


def test_a_directory_segment_by_segment(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    server = gunicorn(APP)
    asked_three_times(server)
    status, lines, errors = dump(str(server.directory))
    assert (status, errors) == (0, "")
    assert lines[0].split() == ["SEGMENT", "OWNER", "SERIES", "STATE"]
    assert any(line.startswith("counter_1 ") and " worker slot 1 " in line for line in lines)
    assert any(line.startswith("counter_m1 ") and " master 1 " in line for line in lines)

    status, lines, errors = dump("--metric", REQUESTS, PROMETHEUS_MULTIPROC_DIR=str(server.directory))
    assert (status, errors) == (0, "")
    assert lines == [
        "worker slot 1, counter_1",
        f'  {REQUESTS}{{endpoint="__unrouted__",method="GET",status="200"}} 3.0',
    ]


def test_a_segment_that_is_none_is_named(gunicorn: Callable[..., Gunicorn]) -> None:
    server = gunicorn(APP)
    (Path(server.directory) / "counter_77.db").write_bytes(b"no segment" * 10)
    status, lines, errors = dump(str(server.directory))
    assert status == 1
    assert [line.split() for line in lines if "counter_77" in line] == [
        ["counter_77", "worker", "slot", "77", "-", "unreadable"]
    ]
    assert errors.endswith("cannot be read\n")
    (Path(server.directory) / "counter_77.db").unlink()


def test_what_redis_has(gunicorn: Callable[..., Gunicorn], redis_server: Callable[..., RedisServer]) -> None:
    port = str(redis_server().port)
    settings = {"REDIS_ENABLED": "true", "REDIS_PORT": port, "PROMETHEUS_INSTANCE_ID": "web-0"}
    asked_three_times(gunicorn(APP, env=settings, directory=""))
    counted = f'  {REQUESTS}{{endpoint="__unrouted__",method="GET",status="200"}} 3.0'
    wait_until(lambda: counted in dump("--metric", REQUESTS, **settings)[1])
    status, lines, errors = dump(**settings)
    assert (status, errors) == (0, "")
    assert any(line.startswith("counter_1 ") and "web-0" in line for line in lines)


def test_no_directory_is_one_line(tmp_path: Path) -> None:
    status, lines, errors = dump(str(tmp_path / "nowhere"))
    assert (status, lines) == (1, [])
    assert f"DIRECTORY: '{tmp_path}/nowhere' cannot be read: No such file or directory" in errors
