"""What Redis has of a memory is what is in the memory, whatever Redis has been through."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from gunicorn_prometheus_exporter.redis.connection import RedisConnection, RedisTrouble
from gunicorn_prometheus_exporter.redis.layout import Keys, Source, SourceInfo, Total, unpack_values
from gunicorn_prometheus_exporter.redis.publication import Publication
from gunicorn_prometheus_exporter.scrape.stores import source_of
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.memory import MemoryStore, open_memory
from gunicorn_prometheus_exporter.storage.names import SegmentName
from gunicorn_prometheus_exporter.storage.published import Published, PublishedDirectory
from gunicorn_prometheus_exporter.storage.segment import Segment
from tests.redis.reading import segments, sources, totals
from tests.redis.servers import RedisServer

INSTANCE = "pod-1"
KEYS = Keys("gunicorn")
A = json.dumps(["a", "a_total", {}, "Help."])
B = json.dumps(["b", "b_total", {}, "Help."])
G = json.dumps(["g", "g", {}, "Help."])


class Instance:
    """One master's memory and the publication of it."""

    def __init__(self, server: RedisServer, store: Published, **options: Any) -> None:
        settings = Settings(redis_port=server.port, redis_timeout=0.5)
        self.connection = RedisConnection(dataclasses.replace(settings, **options.pop("settings", {})))
        self.store = store
        self.client = server.client()
        self.publication = Publication(
            store,
            source_of(store),
            self.connection,
            KEYS,
            INSTANCE,
            SourceInfo(node="node-1", host="host-1", started=1.0, version="1"),
            options.pop("ttl", 300.0),
        )
        self.counter: Segment = store.open_segment(SegmentName("counter", "", "1"))

    @property
    def source(self) -> Source:
        return Source(INSTANCE, self.store.incarnation)

    @property
    def names(self) -> Any:
        return KEYS.source(self.source)

    def count(self, key: str = A, amount: float = 1.0) -> None:
        self.counter.write_value(key, self.counter.read_value(key)[0] + amount, 0.0)

    def publish(self) -> None:
        self.publication.publish()

    def retire(self) -> None:
        """As whoever takes this source for gone: its counts go on into the total of the instance."""
        total = Keys("gunicorn").total(Total(INSTANCE, "node-1"))
        before = totals(self.client)["a_total"]
        assert not self.client.exists(total.values), "only made for one time"
        for field, packed in self.client.hgetall(self.names.values).items():
            self.client.hset(total.values, field, packed)
        for field, packed in self.client.hgetall(self.names.keys).items():
            self.client.hset(total.keys, field, packed)
        self.client.hset(KEYS.index, Total(INSTANCE, "node-1").field, SourceInfo(node="node-1").encode())
        self.client.rename(self.names.values, self.names.final_values)
        self.client.rename(self.names.keys, self.names.final_keys)
        self.client.set(self.names.gone, 1)
        self.client.delete(self.names.alive, self.names.seq)
        self.client.hdel(KEYS.index, self.source.field)
        assert totals(self.client)["a_total"] == before


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Published]:
    """What a master has on Linux, and what it has elsewhere."""

    def fail(component: str, error: BaseException) -> None:
        raise AssertionError(f"{component}: {error}")

    made: MemoryStore | PublishedDirectory
    if request.param == "memory":
        made = open_memory(fail)
    else:
        made = PublishedDirectory(str(tmp_path), fail, private=False, uid=0, gid=0)
    yield made
    made.close()


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    return redis_server()


@pytest.fixture
def instance(server: RedisServer, store: Published) -> Instance:
    return Instance(server, store)


def commands(client: redis.Redis) -> dict[str, int]:
    """How often Redis was asked what, since it was last asked here."""
    stats = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in client.info("commandstats").items()}
    client.config_resetstat()
    return {name: calls for name, calls in stats.items() if name not in {"info", "config|resetstat", "hello", "client"}}


def test_what_is_counted_is_published(instance: Instance) -> None:
    """Values and keys, under the name of the source, which is in the index and alive."""
    instance.count(A, 2.0)
    instance.count(B, 5.0)
    instance.publish()
    assert segments(instance.client, instance.source) == {"counter_1": {A: 2.0, B: 5.0}}
    assert sources(instance.client) == [instance.source]
    assert 299_000 <= instance.client.pttl(instance.names.alive) <= 300_000
    assert instance.client.pttl(instance.names.values) == -1, "counts never expire"


def test_only_what_changed_is_sent(instance: Instance) -> None:
    """Nothing while nothing happens; the values alone as long as there is no new key; a few commands in any case."""
    instance.count()
    for owner in range(2, 20):
        instance.store.open_segment(SegmentName("counter", "", str(owner))).write_value(A, 1.0, 0.0)
    instance.publish()
    commands(instance.client)
    instance.publish()
    assert commands(instance.client) == {}
    instance.count()
    instance.publish()
    assert commands(instance.client) == {"multi": 1, "hset": 1, "getset": 1, "exists": 1, "exec": 1}
    instance.count(B)
    instance.publish()
    assert commands(instance.client) == {"multi": 1, "hset": 2, "getset": 1, "exists": 1, "exec": 1}
    assert totals(instance.client) == {"a_total": 20.0, "b_total": 1.0}


def test_a_segment_outgrows_its_size(instance: Instance) -> None:
    """Thousands of keys that come bit by bit."""
    for first in range(0, 3000, 600):
        for number in range(first, first + 600):
            instance.count(json.dumps(["a", "a_total", {"n": str(number)}, "Help."]), number)
        instance.publish()
    assert totals(instance.client)["a_total"] == sum(range(3000))


def test_timestamps_where_the_newest_counts(instance: Instance) -> None:
    """And nowhere else: a time alone is no change of a counter."""
    newest = instance.store.open_segment(SegmentName("gauge", "mostrecent", "1"))
    newest.write_value(G, 1.0, 100.0)
    instance.count()
    instance.publish()
    commands(instance.client)
    instance.counter.write_value(A, 1.0, 200.0)
    instance.publish()
    assert commands(instance.client) == {}
    newest.write_value(G, 1.0, 200.0)
    instance.publish()
    assert commands(instance.client)["hset"] == 1


def test_live_values_go_with_their_owner(instance: Instance) -> None:
    """From Redis too; what the owner counted stays."""
    slot = instance.store.slots.take()
    instance.count()
    instance.store.open_segment(SegmentName("gauge", "livesum", "1")).write_value(G, 3.0, 0.0)
    instance.publish()
    assert set(segments(instance.client, instance.source)) == {"counter_1", "gauge_livesum_1"}
    instance.store.slots.let_go(slot)
    instance.publish()
    assert set(segments(instance.client, instance.source)) == {"counter_1"}
    slot = instance.store.slots.take()
    instance.publish()
    assert set(segments(instance.client, instance.source)) == {"counter_1", "gauge_livesum_1"}
    instance.store.slots.let_go(slot)


@pytest.mark.parametrize(
    "lose",
    [
        lambda i: i.client.flushall(),
        lambda i: i.client.delete(i.names.values),
        lambda i: i.client.hdel(i.names.values, "counter_2"),
        lambda i: i.client.delete(i.names.seq),
        lambda i: i.client.set(i.names.seq, 17),
        lambda i: i.client.set(i.names.seq, "foreign"),
    ],
    ids=["everything", "values", "another segment", "sequence", "older", "foreign"],
)
def test_what_redis_has_lost_is_written_again(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Instance], None]
) -> None:
    """With the next change, everything; with the next sign of life where that alone can tell."""
    instance.store.open_segment(SegmentName("counter", "", "2")).write_value(B, 7.0, 0.0)
    instance.count()
    instance.publish()
    lose(instance)
    instance.count()
    monkeypatch.setattr(instance.publication, "_heard", -1e9)
    instance.publish()
    assert totals(instance.client) == {"a_total": 2.0, "b_total": 7.0}
    assert sources(instance.client) == [instance.source]
    assert instance.client.exists(instance.names.alive)


def test_an_older_copy(instance: Instance) -> None:
    """A replica that was promoted, or a file that was loaded: every field is there, with values of before."""
    other = instance.store.open_segment(SegmentName("counter", "", "2"))
    other.write_value(B, 1.0, 0.0)
    instance.count()
    instance.publish()
    copy = {key: instance.client.dump(key) for key in (instance.names.values, instance.names.keys, instance.names.seq)}
    other.write_value(B, 7.0, 0.0)
    instance.publish()
    for key, dump in copy.items():
        instance.client.restore(key, 0, dump, replace=True)
    instance.count()
    instance.publish()
    assert totals(instance.client) == {"a_total": 2.0, "b_total": 7.0}


def test_values_that_are_lost_alone(instance: Instance) -> None:
    """As by a Redis that evicts keys: the next change brings all of them back, without waiting for a sign of life."""
    instance.store.open_segment(SegmentName("counter", "", "2")).write_value(B, 7.0, 0.0)
    instance.count()
    instance.publish()
    instance.client.delete(instance.names.values)
    instance.count()
    instance.publish()
    assert totals(instance.client) == {"a_total": 2.0, "b_total": 7.0}


def test_a_segment_that_begins_anew(instance: Instance) -> None:
    """With other keys than before it is another generation: readers that know the old list must not take that."""

    def generation() -> int:
        return unpack_values(instance.client.hget(instance.names.values, "gauge_livesum_1")).generation

    slot = instance.store.slots.take()
    name = SegmentName("gauge", "livesum", "1")
    instance.store.open_segment(name).write_value(G, 3.0, 0.0)
    instance.publish()
    first = generation()
    instance.store.open_segment(name).write_value(A, 4.0, 0.0)
    instance.count()
    instance.publish()
    assert generation() == first, "keys were only added"
    instance.store.discard_live("1")
    for key, value in ((B, 1.0), (A, 2.0), (G, 3.0)):
        instance.store.open_segment(name).write_value(key, value, 0.0)
    instance.count()
    instance.publish()
    assert generation() != first
    assert segments(instance.client, instance.source)["gauge_livesum_1"] == {B: 1.0, A: 2.0, G: 3.0}
    instance.store.slots.let_go(slot)


def test_key_lists_that_are_lost(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could read the values without, and an idle server notices too."""
    instance.count()
    instance.publish()
    instance.client.delete(instance.names.keys)
    monkeypatch.setattr(instance.publication, "_heard", -1e9)
    instance.publish()
    assert totals(instance.client) == {"a_total": 1.0}


def test_a_sign_of_life_keeps_an_idle_source_alive(server: RedisServer, store: Published) -> None:
    """Well before its time to live is over."""
    instance = Instance(server, store, ttl=1.0)
    instance.count()
    deadline = time.monotonic() + 2.5
    instance.publish()
    while time.monotonic() < deadline:
        assert instance.client.exists(instance.names.alive)
        time.sleep(0.05)
        instance.publish()


def test_no_time_to_live(server: RedisServer, store: Published) -> None:
    """Such a source is alive for ever."""
    instance = Instance(server, store, ttl=None)
    instance.count()
    instance.publish()
    assert instance.client.pttl(instance.names.alive) == -1


def test_the_end(instance: Instance) -> None:
    """The last counts are there, and the source is not alive any more."""
    instance.count()
    instance.publish()
    instance.count()
    instance.publication.end()
    assert totals(instance.client) == {"a_total": 2.0}
    assert not instance.client.exists(instance.names.alive)


def test_a_source_that_was_taken_for_gone(server: RedisServer, store: Published) -> None:
    """It goes on under another name with what was not counted yet, and so does its successor."""
    instance = Instance(server, store)
    sums = store.open_segment(SegmentName("gauge", "sum", "1"))
    largest = store.open_segment(SegmentName("gauge", "max", "1"))
    sums.write_value(G, 4.0, 0.0)
    largest.write_value(G, 9.0, 0.0)
    instance.count(A, 10.0)
    instance.publish()
    instance.count(A, 5.0)
    first = instance.source
    instance.retire()
    instance.publish()
    assert instance.source != first
    assert sources(instance.client) == [instance.source]
    assert totals(instance.client)["a_total"] == 15.0
    assert segments(instance.client, instance.source)["gauge_sum_1"] == {G: 0.0}, "it is in the total"
    assert segments(instance.client, instance.source)["gauge_max_1"] == {G: 9.0}
    assert not instance.client.exists(KEYS.source(first).values, KEYS.source(first).alive, KEYS.source(first).seq)
    instance.count(A, 1.0)
    instance.count(B, 2.0)
    Instance(server, store).publish()
    assert totals(instance.client)["a_total"] == 16.0
    assert totals(instance.client)["b_total"] == 2.0
    instance.client.flushall()
    instance.count(A, 1.0)
    instance.publish()
    assert totals(instance.client) == {"a_total": 17.0, "b_total": 2.0, "g": 13.0}, "what was settled is lost too"


def test_taken_for_gone_so_long_ago_that_nobody_knows_what_it_had(instance: Instance) -> None:
    """It knows itself what Redis had last."""
    instance.count(A, 10.0)
    instance.publish()
    instance.count(A, 5.0)
    final = instance.names
    instance.retire()
    instance.client.delete(final.final_values, final.final_keys)
    instance.publish()
    assert totals(instance.client)["a_total"] == 15.0


def test_a_successor_takes_over(server: RedisServer, store: Published) -> None:
    """It writes everything anew, and what is not there any more goes."""
    instance = Instance(server, store)
    slot = store.slots.take()
    store.open_segment(SegmentName("gauge", "livesum", "1")).write_value(G, 3.0, 0.0)
    instance.count()
    instance.publish()
    store.slots.let_go(slot)
    heir = Instance(server, store)
    heir.count()
    heir.publish()
    assert segments(heir.client, heir.source) == {"counter_1": {A: 2.0}}


def test_a_server_that_hangs(server: RedisServer, instance: Instance) -> None:
    """The publish fails in time; when the server is back everything is right, also what it may have done meanwhile."""
    instance.count()
    instance.publish()
    server.pause()
    for _ in range(3):
        instance.count()
        started = time.monotonic()
        with pytest.raises(RedisTrouble):
            instance.publish()
        assert time.monotonic() - started < 5.0
    server.resume()
    instance.count()
    instance.publish()
    assert totals(instance.client) == {"a_total": 5.0}


def test_a_server_that_restarts_empty(server: RedisServer, instance: Instance) -> None:
    """It gets everything again."""
    instance.count()
    instance.publish()
    server.stop()
    instance.count()
    with pytest.raises(RedisTrouble):
        instance.publish()
    server.start()
    instance.publish()
    assert totals(instance.client)["a_total"] == instance.counter.read_value(A)[0]
    assert sources(instance.client) == [instance.source]


def test_a_server_that_is_full(server: RedisServer, instance: Instance) -> None:
    """It takes all of a publish or nothing; when there is room again it takes everything."""
    instance.count()
    instance.publish()
    instance.client.config_set("maxmemory", "1")
    instance.count()
    with pytest.raises(RedisTrouble, match=r"OOM|maxmemory"):
        instance.publish()
    instance.client.config_set("maxmemory", "0")
    assert totals(instance.client) == {"a_total": 1.0}
    instance.publish()
    assert totals(instance.client) == {"a_total": 2.0}


def test_a_read_only_replica(redis_server: Callable[..., RedisServer], server: RedisServer, store: Published) -> None:
    """An error that says so; once it is promoted, everything is written."""
    replica = redis_server(["--replicaof", "127.0.0.1", str(server.port)])
    instance = Instance(replica, store)
    instance.count()
    with pytest.raises(RedisTrouble, match=r"(?i)read.?only"):
        instance.publish()
    replica.client().replicaof("NO", "ONE")
    instance.publish()
    assert totals(replica.client()) == {"a_total": 1.0}


def test_a_wrong_password(redis_server: Callable[..., RedisServer], store: Published) -> None:
    """An error without the password; once it is right everything is written."""
    server = redis_server(["--requirepass", "right"], password="right")
    instance = Instance(server, store, settings={"redis_password": "not-right"})
    instance.count()
    with pytest.raises(RedisTrouble) as caught:
        instance.publish()
    assert "not-right" not in str(caught.value)
    server.client().config_set("requirepass", "not-right")
    instance.publish()
    with contextlib.closing(server.client(password="not-right")) as client:
        assert totals(client) == {"a_total": 1.0}


def test_a_segment_that_cannot_be_read_now(server: RedisServer) -> None:
    """Stays in Redis as it was read last."""
    store = open_memory(lambda *_: None)
    instance = Instance(server, store)
    instance.count(A, 3.0)
    instance.publish()
    place = next(iter(store.places()))
    sound = store.read(place.offset, 4)
    memory = store.fileno()

    os.pwrite(memory, b"\x07\0\0\0", place.offset)
    other = store.open_segment(SegmentName("counter", "", "2"))
    other.write_value(B, 1.0, 0.0)
    instance.publish()
    assert totals(instance.client) == {"a_total": 3.0, "b_total": 1.0}
    os.pwrite(memory, sound, place.offset)
    instance.count(A, 1.0)
    instance.publish()
    assert totals(instance.client) == {"a_total": 4.0, "b_total": 1.0}
    store.close()
