"""Reading many instances: what is added up, what is left out, and what it costs."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.redis.connection import RedisTrouble
from gunicorn_prometheus_exporter.redis.fleet import Fleet
from gunicorn_prometheus_exporter.redis.layout import FLEET, SourceInfo, pack_keys, pack_values
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.redis.instances import REQUESTS, key, request_key, samples, scrape, total
from tests.redis.stores import Store

DEPTH = key("depth", "depth")


def test_nothing_there(any_store: Store):
    exposition = scrape(any_store.fleet())
    assert exposition.value("gunicorn_exporter_unreadable_segments") == 0
    assert exposition.samples(REQUESTS) == []


def test_counters_of_all_instances_are_added_up(any_store: Store):
    """Whatever the order in which each of them has met its series."""
    one, other = any_store.instance("one"), any_store.instance("other")
    one.count(3, raw_key=request_key("/a"))
    one.count(4, raw_key=request_key("/b"))
    other.count(5, raw_key=request_key("/b"))
    other.count(6, raw_key=request_key("/a"))
    other.count(7, raw_key=request_key("/c"), segment="counter_2")
    one.publish(), other.publish()
    fleet = any_store.fleet()
    exposition = scrape(fleet)
    assert {e: exposition.value(REQUESTS, endpoint=e) for e in ("/a", "/b", "/c")} == {"/a": 9, "/b": 9, "/c": 7}
    assert exposition.value("gunicorn_worker_requests_total", worker_id="1") == 18
    one.count(1, raw_key=request_key("/c"))
    one.publish()
    assert scrape(fleet).value(REQUESTS, endpoint="/c") == 8


def test_instances_by_label(store: Store):
    one, other = store.instance("one"), store.instance("other")
    one.count(3), other.count(4)
    one.publish(), other.publish()
    exposition = scrape(store.fleet(by_instance=True))
    assert exposition.value(REQUESTS, instance_id="one") == 3
    assert exposition.value(REQUESTS, instance_id="other") == 4
    assert exposition.value("gunicorn_worker_requests_total", instance_id="other", worker_id="1") == 4


def test_a_node_sees_its_own_instances(store: Store):
    here, there = store.instance("here", node="n1"), store.instance("there", node="n2")
    here.count(1), there.count(2)
    here.publish(), there.publish()
    assert total(store.fleet(node="n1")) == 1
    assert total(store.fleet(node="n2")) == 2
    assert total(store.fleet(node="n3")) == 0
    assert total(store.fleet()) == 3


def test_prefixes_never_see_each_other(shared_redis, store: Store):
    for prefix, amount in (("shop", 1), ("shop:v1", 2), ("{shop}", 4)):
        theirs = Store(store.environment, store.client, prefix=prefix)
        instance = theirs.instance("web")
        instance.count(amount)
        instance.publish()
        instance.die()
        theirs.retirer().run()
        other = theirs.instance("web")
        other.count(amount * 10)
        other.publish()
    for prefix, amount in (("shop", 11), ("shop:v1", 22), ("{shop}", 44), ("sho", 0)):
        assert total(Store(store.environment, store.client, prefix=prefix).fleet()) == amount


def test_live_gauges_need_a_living_instance(store: Store):
    """They go when it has not been heard of for the TTL; its counts stay."""
    instance = store.instance("web")
    instance.count(1)
    instance.count(2, segment="gauge_livesum_1", raw_key=DEPTH)
    instance.count(3, segment="gauge_max_1", raw_key=key("peak", "peak"))
    instance.count(4, segment="gauge_sum_s1", raw_key=key("sampled", "sampled"))
    instance.publish()
    fleet = store.fleet()
    alive = scrape(fleet)
    assert [alive.total(name) for name in (REQUESTS, "depth", "peak", "sampled")] == [1, 2, 3, 4]
    instance.die()
    dead = scrape(fleet)
    assert [dead.total(name) for name in (REQUESTS, "depth", "peak", "sampled")] == [1, 0, 3, 0]


def test_gauges_by_process_never_meet(store: Store):
    """Slot 1 of one instance is not slot 1 of another, also where instances are added up."""
    for name, depth in (("one", 1), ("other", 2)):
        instance = store.instance(name)
        instance.count(depth, segment="gauge_liveall_1", raw_key=DEPTH)
        instance.publish()
    assert samples(store.fleet(), "depth") == {
        (("instance_id", "one"), ("pid", "1")): 1,
        (("instance_id", "other"), ("pid", "1")): 2,
    }


def test_foreign_and_damaged_values_are_skipped_and_counted(store: Store):
    """Each of them once; everything else is read as if they were not there."""
    good, bad = store.instance("good"), store.instance("bad")
    good.count(5)
    for segment in ("counter_1", "counter_2", "counter_3", "counter_4", "counter_5", "counter_6"):
        bad.count(1, segment=segment)
    good.publish(), bad.publish()
    client, names = store.client, bad.names
    client.hset(names.values, "counter_1", b"what is this")
    client.hset(names.values, "counter_2", client.hget(names.values, "counter_2")[:-1])
    client.hset(names.keys, "counter_3", pack_keys(2, [request_key()]))
    client.hdel(names.keys, "counter_4")
    client.hset(names.keys, "counter_5", pack_keys(1, [b"no JSON"]))
    client.hset(names.values, "nonsense", pack_values(1, [1.0]))
    client.hset(store.keys.index, mapping={"nonsense": "{}", "web/0123456789abcdef": "no JSON"})
    odd = store.instance("odd")
    client.hset(store.keys.index, odd.source.field, SourceInfo().encode())
    client.set(odd.names.values, "not a hash")
    exposition = scrape(store.fleet())
    assert exposition.total(REQUESTS) == 5 + 1
    assert exposition.value("gunicorn_exporter_unreadable_segments") == 9


@pytest.mark.parametrize("odd", ["index", "fleet", "meta"])
def test_foreign_values_in_the_place_of_our_own(store: Store, odd: str):
    instance = store.instance("web")
    instance.count(5)
    instance.publish()
    total_keys = store.keys.total(FLEET)
    if odd == "index":
        store.client.delete(store.keys.index)
        store.client.set(store.keys.index, "x")
    elif odd == "fleet":
        store.client.set(total_keys.values, "x")
    else:
        store.client.hset(total_keys.values, "meta", "x")
    exposition = scrape(store.fleet())
    assert exposition.value("gunicorn_exporter_unreadable_segments") == 1
    assert exposition.total(REQUESTS) == (0 if odd == "index" else 5)


def test_an_application_whose_series_change(store: Store):
    """Key lists grow, and start anew with another generation."""
    instance = store.instance("web")
    fleet = store.fleet()
    for number in range(20):
        instance.count(number, raw_key=request_key(f"/{number % 7}"))
        instance.publish()
        assert total(fleet) == sum(range(number + 1))
    store.client.hset(instance.names.values, "counter_1", pack_values(2, [1.0]))
    store.client.hset(instance.names.keys, "counter_1", pack_keys(2, [request_key("/new")]))
    exposition = scrape(fleet)
    assert exposition.total(REQUESTS) == 1
    assert exposition.value(REQUESTS, endpoint="/new") == 1


def test_when_redis_is_away_the_last_numbers_stay(redis_server):
    """All of them until the TTL is over, then those that need no living instance."""
    server = redis_server()
    store = Store({"REDIS_PORT": str(server.port), "REDIS_TIMEOUT": "0.3"}, server.client())
    instance = store.instance("web")
    instance.count(5)
    instance.count(2, segment="gauge_livesum_1", raw_key=DEPTH)
    instance.publish()
    time = [0.0]
    fleet = Fleet(store.connection(), store.keys, ttl=30.0, clock=lambda: time[0])
    fleet.refresh()
    server.pause()
    for time[0], depth in ((10.0, 2), (31.0, 0), (32.0, 0)):
        with pytest.raises(RedisTrouble):
            fleet.refresh()
        text = Scraper(fleet).render().decode()
        assert f'{REQUESTS}{{endpoint="/",method="GET",status="200"}} 5.0' in text
        assert ("\ndepth " in text) == bool(depth)
    server.resume()
    assert total(fleet, "depth") == 2


@pytest.mark.parametrize("instances", [1, 40])
def test_round_trips_and_commands(store: Store, instances: int):
    """The round trips do not depend on the number of instances, and the commands are three for each."""
    for number in range(instances):
        instance = store.instance(f"web-{number}")
        instance.count(1)
        instance.count(1, segment="counter_2")
        instance.publish()
    gone = store.instance("gone")
    gone.count(1)
    gone.publish(), gone.die()
    store.retirer().run()
    fleet = store.fleet()
    assert total(fleet) == 2 * instances + 1
    pipelines: list[int] = []
    with fleet._connection.exchange() as client:
        original = client.pipeline

        def pipeline(*args, **options):
            made = original(*args, **options)
            execute = made.execute
            made.execute = lambda *a, **o: (pipelines.append(len(made.command_stack)), execute(*a, **o))[1]
            return made

        client.pipeline = pipeline
        assert total(fleet) == 2 * instances + 1
    assert pipelines == [1, 3 * instances, 2]


def test_what_many_instances_have_in_common_is_kept_once(store: Store):
    """Equal series share one layout, and the keys of instances that are gone are let go of."""
    fleet = store.fleet()
    for generation in range(30):
        instance = store.instance(f"web-{generation}")
        for number in range(1000):
            instance.count(1, raw_key=request_key(f"/{generation}/{number}"))
        instance.publish()
        fleet.refresh()
        store.client.delete(store.keys.index)
    known = sum(map(len, fleet._lists._parsed.values()))
    assert known < 15_000
    twins = [store.instance(name) for name in ("one", "other")]
    for twin in twins:
        twin.count(1, raw_key=request_key("/a")), twin.count(2, raw_key=request_key("/b"))
        twin.publish()
    fleet.refresh()
    one, other = fleet.readings().readings
    assert one.layout is other.layout
