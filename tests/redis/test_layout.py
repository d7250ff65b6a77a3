"""The layout in Redis: names that cannot meet, and packed values that are either whole or refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gunicorn_prometheus_exporter.redis.layout import (
    Keys,
    Source,
    SourceInfo,
    Total,
    TotalMeta,
    is_transient,
    new_incarnation,
    pack_keys,
    pack_values,
    parse_field,
    parse_segment_field,
    segment_field,
    unpack_keys,
    unpack_values,
)
from gunicorn_prometheus_exporter.scrape.source import UnreadableSegment
from gunicorn_prometheus_exporter.storage.names import SegmentName, parse_segment_name

_names = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["retired", "carried", "a/carried", "{x}", "%7Bx%7D", "a:b"]
)
_doubles = st.lists(st.floats(), max_size=20)
_generations = st.integers(0, 2**64 - 1)


def test_the_documented_names():
    """The names in docs/redis.md."""
    keys = Keys("gunicorn")
    source = keys.source(Source("web-1", "00000000000000ff"))
    assert keys.index == "gunicorn:v1:sources"
    assert source.values == "gunicorn:v1:{web-1}:00000000000000ff:values"
    assert source.keys == "gunicorn:v1:{web-1}:00000000000000ff:keys"
    assert source.alive == "gunicorn:v1:{web-1}:00000000000000ff:alive"
    assert source.seq == "gunicorn:v1:{web-1}:00000000000000ff:seq"
    assert source.gone == "gunicorn:v1:{web-1}:00000000000000ff:gone"
    assert keys.total(Total("web-1")).values == "gunicorn:v1:{web-1}:carried:values"
    assert keys.total(Total("web-1", "n1")).values == "gunicorn:v1:{web-1}:carried/n1:values"
    assert keys.total(Total(node="n1")).keys == "gunicorn:v1:{retired/n1}:keys"
    assert keys.total(Total()).values == "gunicorn:v1:{retired}:values"


@given(_names, _names, _names, _names)
def test_no_two_prefixes_or_instances_share_a_key(prefix, other_prefix, instance, other_instance):
    """Whatever an application is called, its keys are its own; those of an instance have its hash tag."""
    one, two = _all_keys(prefix, instance), _all_keys(other_prefix, other_instance)
    if (prefix, instance) != (other_prefix, other_instance):
        assert not one[0] & two[0]
    if prefix != other_prefix:
        assert not one[1] & two[1]
    tags = {key.split("{", 1)[1].split("}", 1)[0] for key in one[0]}
    assert len(tags) == 1
    assert tags != {""}


def _all_keys(prefix: str, instance: str) -> tuple[set[str], set[str]]:
    keys = Keys(prefix)
    source = keys.source(Source(instance, "0123456789abcdef"))
    carried = keys.total(Total(instance=instance, node=instance))
    retired = [keys.total(Total()), keys.total(Total(node=instance))]
    own = {source.values, source.keys, source.alive, source.seq, source.gone, source.final_values, source.final_keys}
    return own | {carried.values, carried.keys}, {
        keys.index,
        keys.lease,
        *(key for total in retired for key in (total.values, total.keys)),
    }


@given(_names, _names | st.just(""))
def test_a_field_of_the_index_says_what_it_stands_for(name, node):
    for entry in (Source(name, new_incarnation()), Total(name, node), Total(node=name)):
        assert parse_field(entry.field) == entry


@pytest.mark.parametrize(
    "field", ["", "/", "web", "web/", "web/xyz", "/0123456789abcdef", "web/0123456789ABCDEF", "/retired"]
)
def test_a_foreign_field_stands_for_nothing(field):
    assert parse_field(field) is None


@pytest.mark.parametrize(
    "filename", ["counter_1.db", "gauge_livesum_m1.db", "gauge_liveall_s3.db", "info_2.state", "stateset_m1.state"]
)
def test_a_segment_s_field(filename):
    name = parse_segment_name(filename)
    assert name is not None
    assert segment_field(name) == filename.split(".")[0]
    assert parse_segment_field(segment_field(name)) == name


def test_what_needs_a_living_source():
    assert is_transient(SegmentName("gauge", "liveall", "1"))
    assert is_transient(SegmentName("counter", "", "s12"))
    assert not is_transient(SegmentName("counter", "", "m1"))
    assert not is_transient(SegmentName("gauge", "max", "some"))


@given(_generations, _doubles, st.booleans())
def test_values_come_back(generation, values, timed):
    unpacked = unpack_values(pack_values(generation, values, values if timed else None))
    assert unpacked.generation == generation
    assert list(map(repr, unpacked.values)) == list(map(repr, values))
    assert list(map(repr, unpacked.timestamps)) == (list(map(repr, values)) if timed else [])


@given(_generations, st.lists(st.binary(min_size=1, max_size=30), max_size=10))
def test_keys_come_back(generation, keys):
    unpacked = unpack_keys(pack_keys(generation, keys))
    assert unpacked.generation == generation
    assert unpacked.keys == [key.replace(b"\n", b" ") for key in keys]


@given(st.binary(max_size=80) | st.just(pack_values(1, [1.0, 2.0])) | st.just(pack_keys(1, [b"[]", b"{}"])), st.data())
def test_what_is_damaged_is_refused(packed, data):
    """A bit that was flipped, bytes that are missing or too many, and what never was a value."""
    damages = ["cut", "flip", "add"] if packed else ["add"]
    match data.draw(st.sampled_from(damages)):
        case "cut":
            packed = packed[: data.draw(st.integers(0, len(packed) - 1))]
        case "flip":
            at = data.draw(st.integers(0, len(packed) - 1))
            flipped = packed[at] ^ 1 << data.draw(st.integers(0, 7))
            packed = packed[:at] + bytes([flipped]) + packed[at + 1 :]
        case "add":
            packed += b"x"
    with pytest.raises(UnreadableSegment):
        unpack_values(packed)
    with pytest.raises(UnreadableSegment):
        unpack_keys(packed)


def test_another_version_is_refused():
    packed = bytearray(pack_values(1, [1.0]))
    packed[2] = 2
    with pytest.raises(UnreadableSegment, match="version 2"):
        unpack_values(bytes(packed))


def test_a_key_list_cannot_be_a_bomb():
    """A few kilobytes that unpack to a gigabyte do not take a gigabyte."""
    bomb = pack_keys(1, [b" " * (65 << 20)])
    assert len(bomb) < 1 << 20
    with pytest.raises(UnreadableSegment):
        unpack_keys(bomb)


def test_a_source_and_a_total_describe_themselves():
    info = SourceInfo("node-1", "host", 12.5, "1.0")
    assert SourceInfo.decode(info.encode().encode()) == info
    meta = TotalMeta(new_incarnation(), 12.5, True, {"x": 1.0}, 3)
    assert TotalMeta.decode(meta.encode().encode()) == meta


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b"\xff", b"[" * 100_000, b'{"node": 1}', struct.pack("d", math.pi)]
)
def test_what_describes_nothing(text):
    assert SourceInfo.decode(text) is None
    with pytest.raises(UnreadableSegment):
        TotalMeta.decode(text)
