"""What the bytes of a segment say: framing and keys.

A segment is a 4-byte used length, 4 bytes of padding, then entries of a 4-byte key length, the key, padding so that
what follows is aligned to 8 bytes (1 to 8 bytes of it), a value and a time stamp, both doubles in native order.
A key is the JSON of ``[metric name, sample name, {label: value}, help]``; that of an info metric may have a fifth
element, the names of the labels that tell its series apart, as opposed to those that carry the information.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from .source import UnreadableSegment

HEADER = 8
Labels = tuple[tuple[str, str], ...]

_integer = struct.Struct("=i").unpack_from
_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum"),
    "info": ("_info",),
    "stateset": ("",),
    "summary": ("_count", "_sum"),
}
_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A parsed key, with names made legal and text made encodable.

    ``labels`` are sorted. ``group`` are those that a histogram's buckets, an enum's states or an info metric's
    successive values have in common; all of them for other types. ``bound`` is a bucket's upper bound.
    ``distance`` is how many bytes after the start of its entry the value comes, in a segment.
    """

    family: str
    sample: str
    labels: Labels
    group: Labels
    help: str
    bound: float | None = None
    distance: int = 0


def used_length(data: bytes | memoryview) -> int:
    """Bytes in use, header included; 0 for a segment nobody has written to yet. Raises UnreadableSegment."""
    if not data:
        return 0
    if len(data) < HEADER:
        raise UnreadableSegment("shorter than its header")
    used: int = _integer(data)[0]
    if used == 0:
        return 0
    if used < HEADER or used % 8 or used > len(data):
        raise UnreadableSegment(f"{used} bytes in use of {len(data)}")
    return used


def raw_keys(data: bytes, start: int, used: int) -> list[bytes]:
    """The keys of the entries between two offsets. Raises UnreadableSegment."""
    lengths = memoryview(data)[:used].cast("i")
    keys: list[bytes] = []
    found = keys.append
    position = start
    while position < used:
        length = lengths[position >> 2]
        if length <= 0:
            raise UnreadableSegment(f"a key of {length} bytes")
        key = position + 4
        found(data[key : key + length])
        # As `distance_to_value`, and the value and its time stamp.
        position += (length + 28) & -8
    if position != used:
        raise UnreadableSegment("the last entry is not whole")
    return keys


def distance_to_value(raw_key: bytes) -> int:
    """Bytes from the start of an entry to its value: the length, the key, and 1 to 8 bytes of padding."""
    return (len(raw_key) + 12) & -8


def parse_key(kind: str, raw_key: bytes) -> Key:
    """What ``raw_key`` says in a segment of this kind. Raises UnreadableSegment if that is nothing sensible."""
    try:
        parsed = json.loads(raw_key.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise UnreadableSegment("a key is not JSON") from error
    match parsed:
        case [str(metric), str(sample), dict(labels), str(text)]:
            base: list[object] = []
        case [str(metric), str(sample), dict(labels), str(text), list(base)] if kind == "info":
            pass
        case _:
            raise UnreadableSegment("a key has another shape")
    suffix = sample.removeprefix(metric)
    if not metric or metric + suffix != sample or suffix not in _SUFFIXES[kind]:
        raise UnreadableSegment(f"sample {sample!r} in {kind} {metric!r}")
    # An enum has a label of its own name, and a label cannot have a colon.
    family = legal_label(metric) if kind == "stateset" else legal_metric(metric)
    legal = {legal_label(name): _text(value) for name, value in labels.items()}
    bound = None
    own: Collection[str] = ()
    if kind == "gauge":
        # prometheus_client gives a gauge this label itself, whatever it has already, and takes it away again.
        legal.pop("pid", None)
    elif suffix == "_bucket":
        bound = _bound(legal)
        legal["le"] = floatToGoString(bound)
        own = ("le",)
    elif kind == "stateset":
        if family not in legal:
            raise UnreadableSegment(f"a state of {metric!r} has no name")
        own = (family,)
    elif kind == "info":
        own = legal.keys() - {legal_label(_text(name)) for name in base}
    ordered = tuple(sorted(legal.items()))
    group = tuple([label for label in ordered if label[0] not in own]) if own else ordered
    return Key(family, family + suffix, ordered, group, encodable(text), bound, distance_to_value(raw_key))


def _bound(labels: dict[str, str]) -> float:
    try:
        bound = float(labels["le"])
    except (KeyError, ValueError) as error:
        raise UnreadableSegment("a bucket without a bound") from error
    if math.isnan(bound):
        raise UnreadableSegment("a bucket bound is not a number")
    return bound


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnreadableSegment("a label is not text")
    return encodable(value)


def encodable(text: str) -> str:
    """``text`` with a question mark for each lone surrogate, which UTF-8 cannot express."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@lru_cache(maxsize=4096)
def legal_metric(name: str) -> str:
    """``name`` with underscores for what the classic exposition format does not allow in it."""
    legal = _NOT_IN_METRIC.sub("_", name)
    return "_" + legal[1:] if legal[:1].isdecimal() else legal


@lru_cache(maxsize=4096)
def legal_label(name: str) -> str:
    """As `legal_metric`, for labels; names in two underscores are reserved, so one is left."""
    legal = _NOT_IN_LABEL.sub("_", name)
    if legal[:1].isdecimal():
        legal = "_" + legal[1:]
    return "_" + legal.lstrip("_") if legal.startswith("__") else legal or "_"
