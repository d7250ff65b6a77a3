"""The publisher's thread: when it publishes, who does, what it says, and that its master never waits for it long."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gunicorn_prometheus_exporter.failures import Failures
from gunicorn_prometheus_exporter.redis import publisher as module
from gunicorn_prometheus_exporter.redis.publisher import Publisher
from gunicorn_prometheus_exporter.settings import Settings, SettingsError
from gunicorn_prometheus_exporter.storage.memory import MemoryStore, open_memory
from gunicorn_prometheus_exporter.storage.names import SegmentName
from tests.e2e.harness import free_port, wait_until
from tests.redis.reading import sources, totals
from tests.redis.servers import RedisServer

KEY = '["a", "a_total", {}, "Help."]'


class Said(list[str]):
    def __call__(self, message: str) -> None:
        self.append(message)


class Publishing:
    """A memory with one counter, and as many publishers of it as a test starts."""

    def __init__(self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.said = Said()
        self.failed = 0
        monkeypatch.setattr("gunicorn_prometheus_exporter.failures.logger.warning", self.said)
        self.failures = Failures(self.said)
        self.counter = store.open_segment(SegmentName("counter", "", "1"))
        self.started: list[Publisher] = []

    def start(self, port: int, **more: Any) -> Publisher:
        master = self.store.slots.take("m")
        given = dataclasses.replace(settings(port), **more)
        publisher = Publisher(self.store, given, self.failures, master.owner, self._fail)
        publisher.start()
        self.started.append(publisher)
        return publisher

    def count(self) -> None:
        self.counter.write_value(KEY, self.counter.read_value(KEY)[0] + 1, 0.0)

    def _fail(self) -> None:
        self.failed += 1


def settings(port: int, prefix: str = "gunicorn", password: str | None = None) -> Settings:
    return Settings(
        redis_enabled=True,
        redis_port=port,
        redis_key_prefix=prefix,
        redis_password=password,
        redis_publish_interval=0.05,
        redis_timeout=0.5,
        redis_instance_id="pod-1",
    )


@pytest.fixture
def publishing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publishing]:
    store = open_memory(lambda *_: None)
    made = Publishing(store, monkeypatch)
    yield made
    for publisher in made.started:
        publisher.close()
    store.close()


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    return redis_server()


def wait_for(server: RedisServer, value: float, prefix: str = "gunicorn") -> None:
    wait_until(lambda: totals(server.client(), prefix)["a_total"] == value, 15.0, f"{value} in Redis")


def up(publisher: Publisher) -> float | None:
    return next((m.samples[0].value for m in publisher.metrics() if m.name == "gunicorn_exporter_redis_up"), None)


def test_one_of_two_publishes(publishing: Publishing, server: RedisServer) -> None:
    """The other one when that is gone, and nothing counts twice; the source is alive as long as one of them is."""
    publishing.count()
    first = publishing.start(server.port)
    wait_for(server, 1)
    second = publishing.start(server.port)
    publishing.count()
    wait_for(server, 2)
    assert up(first) == 1.0
    assert up(second) is None, "it has had no exchange with Redis"
    (source,) = sources(server.client())
    first.close()
    publishing.count()
    wait_for(server, 3)
    assert sources(server.client()) == [source]
    assert server.client().exists(f"gunicorn:v1:{{pod-1}}:{source.incarnation}:alive")


def test_the_last_counts_of_all(publishing: Publishing, server: RedisServer) -> None:
    """Are published when it is closed, after which the source is not alive."""
    publisher = publishing.start(server.port)
    wait_until(lambda: sources(server.client()))
    publishing.count()
    publisher.close()
    assert totals(server.client())["a_total"] == 1
    (source,) = sources(server.client())
    # The master's slot is still taken here, but it is its own.
    assert not server.client().exists(f"gunicorn:v1:{{pod-1}}:{source.incarnation}:alive")


def test_new_settings(publishing: Publishing, server: RedisServer) -> None:
    """Those of a reload take effect: another prefix gets everything. What cannot be used changes nothing."""
    publishing.count()
    publisher = publishing.start(server.port)
    wait_for(server, 1)
    with pytest.raises(SettingsError):
        publisher.follow(dataclasses.replace(settings(server.port), redis_url="nonsense://"))
    publisher.follow(settings(server.port, "other"))
    wait_for(server, 1, "other")
    publishing.count()
    wait_for(server, 2, "other")
    assert totals(server.client())["a_total"] == 1


def test_what_counts_elsewhere_counts_nowhere_under_another_prefix(publishing: Publishing, server: RedisServer) -> None:
    """A new place gets all of it, the old one's totals are not its own."""
    publishing.store.open_settled().write_value(f'["counter_1", {KEY}]', 4.0, 0.0)
    for _ in range(5):
        publishing.count()
    publisher = publishing.start(server.port)
    wait_for(server, 1)
    publisher.follow(settings(server.port, password="", prefix="gunicorn"))
    publishing.count()
    wait_for(server, 2)
    publisher.follow(settings(server.port, "other"))
    wait_for(server, 6, "other")


def test_an_outage_is_said_once(publishing: Publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it begins and when it ends; the pauses grow in between, and each attempt is counted."""
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.4)
    port = free_port()
    publisher = publishing.start(port)
    wait_until(lambda: publishing.failed >= 4)
    assert up(publisher) == 0.0
    publishing.failures.flush()
    assert len(publishing.said) == 1
    assert f"127.0.0.1:{port}" in publishing.said[0]
    assert "Requests are not affected" in publishing.said[0]
    server = RedisServer(port=port)
    try:
        publishing.count()
        wait_for(server, 1)
        wait_until(lambda: up(publisher) == 1.0)
        server.stop()
        failed = publishing.failed
        publishing.count()
        wait_until(lambda: publishing.failed >= failed + 2)
        server.start()
        wait_for(server, 2)
        wait_until(lambda: up(publisher) == 1.0)
    finally:
        publisher.close()
        server.remove()
    publishing.failures.flush()
    assert len(publishing.said) == 2, "one that comes and goes is worth a line a minute"
    assert "again" in publishing.said[1]


def test_pauses_grow_to_a_limit(publishing: Publishing) -> None:
    """From an interval on, doubling, each cut by up to a half so that a fleet does not come back in step."""
    publisher = publishing.start(free_port())
    publisher.close()
    publisher._failures_in_a_row = 0
    pauses = [publisher._failure("because") for _ in range(40)]
    for number, pause in enumerate(pauses):
        whole = min(0.05 * 2 ** min(number, 16), 10.0)
        assert whole / 2 <= pause <= whole
    assert len(set(pauses[10:])) > 10


def test_a_fork_does_not_wait_for_a_redis_that_hangs(publishing: Publishing, server: RedisServer) -> None:
    """A tenth of a second at the most; and the child lets go without a word to Redis."""
    publisher = publishing.start(server.port, redis_timeout=3.0)
    publishing.count()
    wait_for(server, 1)
    server.pause()
    publishing.count()
    time.sleep(0.5)
    longest = 0.0
    for _ in range(10):
        publishing.count()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            publisher.abandon()
            os._exit(0)
        longest = max(longest, time.monotonic() - started)
        assert os.waitpid(child, 0)[1] == 0
        time.sleep(0.1)
    server.resume()
    assert longest < 1.0
    wait_for(server, 12)


def test_closing_while_redis_hangs(publishing: Publishing, server: RedisServer) -> None:
    """Takes as long as two attempts, and no more."""
    publisher = publishing.start(server.port)
    wait_until(lambda: sources(server.client()))
    server.pause()
    publishing.count()
    time.sleep(0.2)
    started = time.monotonic()
    publisher.close()
    assert time.monotonic() - started < 4.0
    server.resume()
