"""The kinds of values that settings have: what they accept, and how that is said in an error."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_MOST_LABELS: Final = 16
_LONGEST_LABEL: Final = 128
_LABEL_NAME: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,63}")
# A label's value has 200 characters at the most.
_ENDPOINT: Final = re.compile(r"(?=.{1,200}$)([/*].*|__unmatched__|__unrouted__)")
_REDIS_URLS: Final = ("redis://", "rediss://", "unix://")
# Kubernetes gives every container the address of each Service in variables named after it, and Docker's links do so
# too: a Service named "redis" makes REDIS_PORT=tcp://10.0.0.1:6379, which nobody has written.
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")

Raw = Any
"""A value as it is written: a text, and in YAML also a list of raw values or a dictionary from text to raw values."""


class Mistake(ValueError):
    """Says itself what is wrong with a value, where what is allowed would not tell."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a raw value becomes a setting's value. ``parse`` raises ValueError or TypeError for anything else.

    ``schema`` is what JSON Schema calls it. The value of a ``secret`` is never shown. ``is_foreign`` tells a value in
    the environment that something else than a user has put there.
    """

    allowed: str
    parse: Callable[[Raw], Any]
    schema: Mapping[str, Any]
    secret: bool = False
    is_foreign: Callable[[str], bool] = lambda raw: False


def _text(raw: Raw) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw.strip()


def integer(low: int, high: int) -> Kind:
    def parse(raw: Raw) -> int:
        text = _text(raw)
        if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Kind(f"a whole number from {low} to {high}", parse, {"type": "integer", "minimum": low, "maximum": high})


def seconds(low: float, high: float) -> Kind:
    def parse(raw: Raw) -> float:
        text = _text(raw)
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError
        return float(text)

    allowed = f"a number of seconds from {low:g} to {high:g}"
    return Kind(allowed, parse, {"type": "number", "minimum": low, "maximum": high})


def choice(*words: str) -> Kind:
    def parse(raw: Raw) -> str:
        word = _text(raw).lower()
        if word not in words:
            raise ValueError
        return word

    return Kind("one of " + ", ".join(words), parse, {"enum": list(words)})


def _parse_boolean(raw: Raw) -> bool:
    word = _text(raw).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _parse_line(raw: Raw) -> str:
    if not isinstance(raw, str):
        raise TypeError
    if not raw.isprintable():
        raise ValueError
    return raw


def words(raw: Raw, most: int) -> tuple[str, ...]:
    """The words of a list, or of a text with commas. Raises ValueError, TypeError if they are none or too many."""
    listed = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(listed, list):
        raise TypeError
    if not 0 < len(listed) <= most:
        raise ValueError
    return tuple(_text(word) for word in listed)


def _parse_methods(raw: Raw) -> tuple[str, ...]:
    methods = words(raw, 32)
    if not all(method.isascii() and method.isidentifier() and len(method) <= 24 for method in methods):
        raise ValueError
    return methods


def _parse_endpoints(raw: Raw) -> tuple[str, ...]:
    endpoints = words(raw, 64)
    if not all(_ENDPOINT.fullmatch(endpoint) for endpoint in endpoints):
        raise ValueError
    return endpoints


def _parse_hosts(raw: Raw) -> tuple[tuple[str, int], ...]:
    return tuple(_parse_host(word) for word in words(raw, 64))


def _parse_host(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    return _parse_address(host), _PORT_NUMBER.parse(port)


def _parse_address(raw: Raw) -> str:
    text = _text(raw)
    address = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.ip_address(address)
    except ValueError:
        if not _HOST_NAME.fullmatch(text):
            raise
        return text
    return address


def _parse_labels(raw: Raw) -> tuple[tuple[str, str], ...]:
    pairs = [word.partition("=")[::2] for word in raw.split(",")] if isinstance(raw, str) else _items(raw)
    labels = {_text(name): _text(value) for name, value in pairs}
    if not len(labels) == len(pairs) <= _MOST_LABELS:
        raise ValueError
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name) or not 0 < len(value) <= _LONGEST_LABEL or not value.isprintable():
            raise ValueError
    return tuple(sorted(labels.items()))


def _items(raw: Raw) -> list[tuple[str, Raw]]:
    if not isinstance(raw, dict):
        raise TypeError
    return list(raw.items())


def _parse_redis_url(raw: Raw) -> str:
    text = _parse_line(raw)
    url = urlsplit(text)
    # Asking for the port is what checks it.
    if not text.startswith(_REDIS_URLS) or url.port == 0:
        raise ValueError
    return text


_PORT_NUMBER: Final = integer(1, 65535)
_LISTED: Final = {"type": ["array", "string"], "items": {"type": "string"}}

BOOLEAN: Final = Kind("true or false", _parse_boolean, {"type": "boolean"})
TEXT: Final = Kind("a line of text", _parse_line, {"type": ["string", "number", "boolean"]})
ADDRESS: Final = Kind("an IP address or a host name", _parse_address, {"type": "string"})
REDIS_URL: Final = Kind(
    "a URL that begins with redis://, rediss:// or unix://", _parse_redis_url, {"type": "string"}, secret=True
)
SECRET: Final = Kind(TEXT.allowed, TEXT.parse, TEXT.schema, secret=True)
PORT: Final = Kind(
    _PORT_NUMBER.allowed,
    _PORT_NUMBER.parse,
    _PORT_NUMBER.schema,
    is_foreign=lambda raw: _SERVICE_ADDRESS.match(raw) is not None,
)
METHODS: Final = Kind("up to 32 HTTP methods, as a list or separated by commas", _parse_methods, _LISTED)
ENDPOINTS: Final = Kind(
    "up to 64 endpoints such as /healthz or /static/*, as a list or separated by commas", _parse_endpoints, _LISTED
)
HOSTS: Final = Kind("up to 64 of host:port, as a list or separated by commas", _parse_hosts, _LISTED)
LABELS: Final = Kind(
    f"up to {_MOST_LABELS} labels, as a mapping or as name=value separated by commas: names of letters, digits and "
    f"underscores, up to 64 of them, not two at the beginning; values of 1 to {_LONGEST_LABEL} characters",
    _parse_labels,
    {
        "type": ["object", "string"],
        "pattern": "^[^=,]+=[^,]+(,[^=,]+=[^,]+)*$",
        "maxProperties": _MOST_LABELS,
        "propertyNames": {"pattern": f"^{_LABEL_NAME.pattern}$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
)
