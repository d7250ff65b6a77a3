"""Retiring what is gone: counts move on, once, and a fleet's total never goes backwards."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gunicorn_prometheus_exporter.redis.contents import Contents, Segment
from gunicorn_prometheus_exporter.redis.fleet import RETIRED
from gunicorn_prometheus_exporter.redis.layout import FLEET, META, SourceInfo, Total, TotalMeta
from gunicorn_prometheus_exporter.redis.retirer import Limits, TotalFull, _Pass
from gunicorn_prometheus_exporter.storage.names import SegmentName
from tests.redis.instances import REQUESTS, key, request_key, scrape, total
from tests.redis.stores import Store


def test_a_living_instance_is_left_alone(any_store: Store):
    instance = any_store.instance("web")
    instance.count(3)
    instance.publish()
    assert any_store.retirer().run() == 0
    assert instance.publish()
    assert total(any_store.fleet()) == 3


def test_a_gone_instance_is_carried_under_its_name_then_retired(any_store: Store):
    """Through its instance, its node and the fleet, with the same total on the way, and nothing left behind."""
    instance = any_store.instance("web", node="n1")
    instance.count(3)
    instance.publish(), instance.die()
    fleet, by_instance, node = any_store.fleet(), any_store.fleet(by_instance=True), any_store.fleet(node="n1")
    patient, hasty = any_store.retirer(), any_store.retirer(carried=0, node=0)

    assert patient.run() == 1
    assert (total(fleet), total(node)) == (3, 3)
    assert scrape(by_instance).value(REQUESTS, instance_id="web") == 3
    assert patient.run() == 0

    _take_over(any_store)
    assert hasty.run() == 1
    assert (total(fleet), total(node)) == (3, 3)
    assert scrape(by_instance).value(REQUESTS, instance_id=RETIRED) == 3
    assert hasty.run() == 1
    assert (total(fleet), total(node)) == (3, 0)
    assert scrape(by_instance).value(REQUESTS, instance_id=RETIRED) == 3
    assert hasty.run() == 0

    left = {one.decode() for one in any_store.client.scan_iter("*")}
    into = any_store.keys.total(FLEET)
    names = instance.names
    assert left == {into.values, into.keys, any_store.keys.lease, names.gone, names.final_values, names.final_keys}
    assert all(any_store.client.ttl(one) > 0 for one in left - {into.values, into.keys})


def test_nothing_is_kept_for_a_publisher_that_has_ended(store: Store):
    instance = store.instance("web")
    instance.count(3)
    instance.publish(), instance.end()
    store.retirer().run()
    assert total(store.fleet()) == 3
    assert not store.client.exists(instance.names.final_values, instance.names.final_keys, instance.names.values)


def _take_over(store: Store) -> None:
    """The lease of a retirer that does not come back is over soon."""
    store.client.delete(store.keys.lease)


def test_one_retirer_at_a_time(store: Store):
    instance = store.instance("web")
    instance.count(3)
    instance.publish(), instance.die()
    first, second = store.retirer(), store.retirer()
    assert first.run() == 1
    other = store.instance("other")
    other.count(3)
    other.publish(), other.die()
    assert second.run() == 0
    assert 0 < store.client.pttl(store.keys.lease) <= 20_000
    assert first.run() == 1


def test_a_restarted_instance_continues_its_counters(any_store: Store):
    """Under its name, where instances are told apart."""
    fleet = any_store.fleet(by_instance=True)
    for restart in range(1, 4):
        instance = any_store.instance("web-0")
        instance.count(2)
        instance.publish()
        assert scrape(fleet).value(REQUESTS, instance_id="web-0") == 2 * restart
        instance.die()
        any_store.retirer().run()
        _take_over(any_store)


def test_an_instance_that_comes_back_keeps_what_it_carried(any_store: Store):
    """As long as somebody of that name lives, nothing is retired under another."""
    instance = any_store.instance("web-0")
    instance.count(2)
    instance.publish(), instance.die()
    hasty = any_store.retirer(carried=0, node=0)
    hasty.run()
    back = any_store.instance("web-0")
    back.count(1)
    back.publish()
    assert hasty.run() == 0
    assert scrape(any_store.fleet(by_instance=True)).value(REQUESTS, instance_id="web-0") == 3


def test_who_was_away_for_longer_than_the_ttl_goes_on(any_store: Store):
    """It was retired meanwhile, finds that out, and counts nothing twice."""
    instance = any_store.instance("web")
    instance.count(5)
    instance.publish(), instance.die()
    any_store.retirer().run()
    _take_over(any_store)
    instance.count(2)
    fleet = any_store.fleet()
    assert not instance.publish()
    assert total(fleet) == 5
    instance.publish_again()
    assert total(fleet) == 7
    any_store.retirer().run()
    assert total(fleet) == 7
    instance.count(1)
    assert instance.publish()
    assert total(fleet) == 8


def test_what_outlasts_an_instance(store: Store):
    instance = store.instance("web")
    for segment, name in (
        ("counter_1", "jobs_total"),
        ("counter_s1", "sampled_total"),
        ("summary_1", "took_sum"),
        ("gauge_sum_1", "stock"),
        ("gauge_max_1", "peak"),
        ("gauge_min_1", "low"),
        ("gauge_mostrecent_1", "last"),
        ("gauge_all_1", "each"),
        ("gauge_liveall_1", "depth"),
        ("info_1", "build_info"),
        ("stateset_1", "state"),
    ):
        metric = name.removesuffix("_total").removesuffix("_sum").removesuffix("_info")
        instance.count(2, segment=segment, raw_key=key(metric, name, state="on"))
    instance.publish()
    fleet = store.fleet()
    before = scrape(fleet)
    instance.die()
    store.retirer().run()
    after = scrape(fleet)
    lasting = ["jobs_total", "took_sum", "stock", "peak", "low", "last"]
    gone = ["sampled_total", "each", "depth", "build_info", "state"]
    assert [before.total(name) for name in lasting] == [after.total(name) for name in lasting] == [2.0] * 6
    assert all(before.samples(name) for name in gone)
    assert [name for name in gone if after.samples(name)] == []


def test_merging_follows_the_modes():
    """As a scrape would have merged them."""
    a, b = key("g", "g", s="a"), key("g", "g", s="b")

    def merged(kind: str, mode: str, mine: tuple[float, float], gone: tuple[float, float]) -> tuple[float, float]:
        name = SegmentName(kind, mode, "1")
        held = Contents({name: Segment(1, {a: mine})})
        assert held.add(Contents({name: Segment(2, {b: gone, a: gone})}), most_series=10) == 0
        assert list(held.segments[name].entries) == [a, b]
        assert held.segments[name].generation == 1
        return held.segments[name].entries[a]

    assert merged("counter", "", (1, 0), (2, 0)) == (3, 0)
    assert merged("histogram", "", (1, 0), (2, 0)) == (3, 0)
    assert merged("gauge", "sum", (1, 0), (2, 0)) == (3, 0)
    assert merged("gauge", "max", (1, 0), (2, 0)) == (2, 0)
    assert merged("gauge", "min", (1, 0), (2, 0)) == (1, 0)
    assert merged("gauge", "min", (math.nan, 0), (2, 0)) == (2, 0)
    assert merged("gauge", "mostrecent", (1, 20), (2, 10)) == (1, 20)
    assert merged("gauge", "mostrecent", (1, 20), (2, 30)) == (2, 30)


def test_a_total_has_a_limit_and_says_when_it_is_hit(store: Store):
    for name in ("one", "other"):
        instance = store.instance(name)
        for number in range(6):
            instance.count(1, raw_key=request_key(f"/{name}/{number}"))
        instance.count(1, raw_key=request_key("/both"))
        instance.publish(), instance.die()
    retirer = store.retirer(carried=0, series=9)
    for _ in range(4):
        retirer.run()
    assert total(store.fleet()) == 7 + 2 + 1
    assert [type(error) for error in store.failures] == [TotalFull]
    assert "4 series" in str(store.failures[0])


@pytest.mark.parametrize("where", ["index", "source", "total", "meta"])
def test_foreign_values_stop_nothing_else(store: Store, where: str):
    broken, fine = store.instance("broken"), store.instance("fine")
    broken.count(1), fine.count(2)
    broken.publish(), fine.publish(), broken.die(), fine.die()
    into = store.keys.total(Total("broken"))
    if where == "index":
        store.client.hset(store.keys.index, mapping={"x": "y", "a/b/carried": "z"})
    elif where == "source":
        store.client.delete(broken.names.values)
        store.client.set(broken.names.values, "x")
    elif where == "total":
        store.client.set(into.values, "x")
    else:
        store.client.hset(into.values, "meta", "x")
    retirer = store.retirer()
    for _ in range(3):
        retirer.run()
    assert store.client.exists(fine.names.gone)
    assert total(store.fleet()) == (2 if where == "source" else 3)


def test_what_a_retired_source_still_writes_counts_nowhere(store: Store):
    """Nor does it when nobody remembers any more where its counts are, only that it was retired."""
    instance = store.instance("web")
    instance.count(5)
    instance.publish(), instance.die()
    store.retirer().run()
    into = store.keys.total(Total("web"))
    meta = TotalMeta.decode(store.client.hget(into.values, META))
    store.client.hset(into.values, META, replace(meta, folded={}).encode())
    instance.count(1)
    assert not instance.publish()
    store.client.hset(store.keys.index, instance.source.field, SourceInfo().encode())
    assert total(store.fleet()) == 5
    _take_over(store)
    store.retirer().run()
    assert not store.client.exists(instance.names.values, instance.names.alive)
    assert total(store.fleet()) == 5


def test_a_total_that_is_on_its_way_takes_nothing_more(store: Store):
    """Or what it takes would be deleted with it."""
    first, second = store.instance("web"), store.instance("web")
    for instance in (first, second):
        instance.count(1)
        instance.publish()
    first.die()
    store.retirer().run()
    second.die()
    with store.spare.exchange() as client:
        work = _Pass(client, store.spare, store.keys, Limits(), lambda *_: None)
        token = work._freeze(Total("web"))
        assert work._retire(second.source) == 0
        assert work._pass_on(Total("web"), "another") is False
        assert work._pass_on(Total("web"), token) is True
        work._delete(Total("web"), "another")
        assert store.client.exists(store.keys.total(Total("web")).values)
        work._delete(Total("web"), token)
        assert work._retire(second.source) == 1
    assert total(store.fleet()) == 2
