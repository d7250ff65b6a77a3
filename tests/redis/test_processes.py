"""Processes that are not Gunicorn, and programs that read: by the package's public names."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gunicorn_prometheus_exporter import RedisStorageClient
from gunicorn_prometheus_exporter.redis.connection import RedisTrouble
from gunicorn_prometheus_exporter.settings import read_settings
from tests.e2e.harness import IMPORT_ROOTS, wait_until
from tests.redis.stores import Store

JOB = """
import os, sys, time
from prometheus_client import Counter, Gauge
from gunicorn_prometheus_exporter import setup_redis_metrics, teardown_redis_metrics
JOBS = Counter("jobs", "Jobs done.")
RUNNING = Gauge("running", "Jobs running.", multiprocess_mode="livesum")
JOBS.inc()
assert setup_redis_metrics() is setup_redis_metrics() is (os.environ.get("REDIS_ENABLED") == "true")
JOBS.inc()
RUNNING.set(1)
"""


def start(store: Store, code: str = "", **env: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **store.environment, "REDIS_PUBLISH_INTERVAL": "0.05", **env}
    environment["PYTHONPATH"] = os.pathsep.join(IMPORT_ROOTS)
    source = textwrap.dedent(JOB) + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", source], env=environment, stdin=subprocess.PIPE)


def jobs(store: Store) -> float:
    metrics = client(store).collect()
    return sum(s.value for metric in metrics for s in metric.samples if s.name == "jobs_total")


def client(store: Store) -> RedisStorageClient:
    return RedisStorageClient(read_settings(store.environment))


def test_a_cron_job_counts_in_the_fleet(store: Store):
    """Also what it counted before it was set up; its live gauges go with it."""
    assert start(store, REDIS_ENABLED="true").wait(20) == 0
    assert jobs(store) == 2
    assert b"\nrunning " not in client(store).render()
    assert start(store, REDIS_ENABLED="true").wait(20) == 0
    assert jobs(store) == 4


def test_what_is_counted_is_there_while_it_runs(store: Store):
    process = start(store, "sys.stdin.read()", REDIS_ENABLED="true")
    try:
        wait_until(lambda: jobs(store) == 2, 20.0, "two jobs")
        assert b"\nrunning 1.0\n" in client(store).render()
    finally:
        process.communicate(timeout=20)


def test_forked_processes_count_too(store: Store):
    """As in Celery's prefork pool: children of the process that was set up, each with its own values."""
    forks = """
    for number in range(3):
        if os.fork() == 0:
            JOBS.inc(10)
            RUNNING.set(5)
            time.sleep(0.5)
            os._exit(0)
    for number in range(3):
        os.wait()
    time.sleep(0.3)
    """
    assert start(store, forks, REDIS_ENABLED="true").wait(20) == 0
    assert jobs(store) == 32


def test_it_can_be_torn_down_and_set_up_again(store: Store):
    """Nothing is counted twice then."""
    again = """
    teardown_redis_metrics()
    teardown_redis_metrics()
    JOBS.inc()
    setup_redis_metrics()
    JOBS.inc()
    """
    assert start(store, again, REDIS_ENABLED="true").wait(20) == 0
    assert jobs(store) == 4


def test_without_redis_nothing_happens(store: Store):
    assert start(store).wait(20) == 0
    assert store.client.keys("*") == []


def test_a_collector_for_a_registry(store: Store):
    """It is registered without a look at Redis, and tells when Redis does not answer."""
    instance = store.instance("web")
    instance.count(3)
    instance.publish()
    registry = CollectorRegistry()
    registry.register(client(store))
    assert b'gunicorn_http_requests_total{endpoint="/",method="GET",status="200"} 3.0' in generate_latest(registry)
    away = RedisStorageClient(read_settings({"REDIS_PORT": "1"}))
    registry.register(away)
    with pytest.raises(RedisTrouble):
        away.render()
