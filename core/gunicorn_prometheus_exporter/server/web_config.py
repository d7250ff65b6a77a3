"""The web configuration file of the Prometheus exporter-toolkit, which Prometheus and its exporters share."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import yaml

from ..settings.errors import SettingsError, shown
from ..settings.spelling import nearest
from .tls import CIPHERS, CLIENT_AUTH, CURVES, VERSIONS, TlsConfig

_MOST_BYTES: Final = 1 << 20
_NULL: Final = "tag:yaml.org,2002:null"
_BCRYPT: Final = re.compile(r"\$2[aby]?\$([0-9]{2})\$[./A-Za-z0-9]{53}")
# Each step doubles the time; with 15 a check takes seconds.
_COSTS: Final = range(4, 16)
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# What the toolkit lets one set, and the values it takes; None for any.
_HEADERS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "Strict-Transport-Security": None,
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": None,
    "Content-Security-Policy": None,
}
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One request each ``interval`` seconds, and ``burst`` of them at once."""

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a file says. ``users`` has bcrypt hashes by name."""

    tls: TlsConfig | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None


def read_web_config(path: str) -> WebConfig:
    """Read the file ``path``. Paths in it are relative to its directory. Raises SettingsError with all problems."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OSError(f"it has more than {_MOST_BYTES} bytes")
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    return parse_web_config(content, path)


def parse_web_config(content: bytes, path: str) -> WebConfig:
    """As `read_web_config`, of what was read from ``path``."""
    try:
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8: {error}"]) from error
    except (yaml.YAMLError, ValueError) as error:
        # What YAML's own words quote may be a secret; where it is tells enough.
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        raise SettingsError(
            [f"{path}{line}: is not YAML: {getattr(error, 'problem', None) or 'unreadable'}"]
        ) from error
    except RecursionError as error:
        raise SettingsError([f"{path}: is not YAML that can be read: it is nested too deeply"]) from error
    parser = _Parser(path)
    config = parser.parse(root)
    if parser.problems:
        raise SettingsError(parser.problems)
    return config


class _Wrong(ValueError):
    """What is wrong with a value."""


class _Section:
    """A mapping of the file, of whose keys every one must be asked for."""

    def __init__(self, parser: _Parser, name: str, node: yaml.Node | None) -> None:
        self._parser = parser
        self._name = name
        self._nodes: dict[str, yaml.Node] = {}
        self._asked: set[str] = set()
        if node is None or _is_unset(node):
            return
        if not isinstance(node, yaml.MappingNode):
            parser.problem(node, name, "is not a mapping")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                parser.problem(key, name, "has a key that is no name")
            elif key.value in self._nodes:
                parser.problem(key, self.path(key.value), "is there twice")
            else:
                self._nodes[key.value] = value

    def path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def __contains__(self, key: str) -> bool:
        return key in self._nodes and not _is_unset(self._nodes[key])

    def node(self, key: str) -> yaml.Node | None:
        self._asked.add(key)
        return self._nodes.get(key)

    def section(self, key: str) -> _Section:
        return _Section(self._parser, self.path(key), self.node(key))

    def get(self, key: str, parse: Callable[[yaml.Node], T], default: T) -> T:
        """The value of ``key``, ``default`` if it has none, or none that can be used."""
        node = self.node(key)
        if node is None or _is_unset(node):
            return default
        try:
            return parse(node)
        except _Wrong as error:
            self._parser.problem(node, self.path(key), str(error))
            return default

    def items(self) -> Iterator[tuple[str, yaml.Node]]:
        self._asked.update(self._nodes)
        yield from self._nodes.items()

    def finish(self) -> None:
        """Complain of every key that nobody asked for."""
        for key in [name for name in self._nodes if name not in self._asked]:
            close = nearest(key, self._asked)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(sorted(self._asked))}"
            self._parser.problem(self._nodes[key], self.path(key[:80]), f"is not known; {hint}")


class _Parser:
    def __init__(self, path: str) -> None:
        self.problems: list[str] = []
        self._path = path
        self._directory = os.path.dirname(os.path.abspath(path))

    def problem(self, node: yaml.Node | None, name: str, what: str) -> None:
        line = "" if node is None else f":{node.start_mark.line + 1}"
        self.problems.append(f"{self._path}{line}: {f'{name} ' if name else ''}{what}")

    def parse(self, root: yaml.Node | None) -> WebConfig:
        top = _Section(self, "", root)
        tls = self._tls(top.section("tls_server_config"))
        http = top.section("http_server_config")
        # HTTP/2 is not spoken here, so there is nothing to turn off.
        http.get("http2", _boolean, True)
        headers = self._headers(http.section("headers"))
        http.finish()
        users = self._users(top.section("basic_auth_users"))
        rate_limit = self._rate_limit(top.section("rate_limit"))
        top.finish()
        return WebConfig(tls, users, headers, rate_limit)

    def _tls(self, tls: _Section) -> TlsConfig | None:
        if not tls:
            return None
        authorities = [key for key in ("client_ca", "client_ca_file") if key in tls]
        for texts in (("cert", "cert_file"), ("key", "key_file")):
            given = [key for key in texts if key in tls]
            if len(given) != 1:
                self.problem(None, tls.path(texts[1]), "is missing" if not given else f"and {texts[0]} are both given")
        sans = tls.get("client_allowed_sans", lambda node: tuple(_texts(node)), None)
        auth = tls.get("client_auth_type", _client_auth, ssl.CERT_NONE)
        if auth is not ssl.CERT_NONE and not authorities:
            self.problem(None, tls.path("client_ca_file"), "is missing: without it no client's certificate is good")
        if authorities and "client_auth_type" not in tls:
            self.problem(None, tls.path(authorities[0]), "is of no use without client_auth_type")
        if sans is not None and auth is not ssl.CERT_REQUIRED:
            self.problem(
                None,
                tls.path("client_allowed_sans"),
                "is of no use without client_auth_type: RequireAndVerifyClientCert",
            )
        config = TlsConfig(
            cert_file=tls.get("cert_file", self._file, None),
            cert=tls.get("cert", _text, None),
            key_file=tls.get("key_file", self._file, None),
            key=tls.get("key", _text, None),
            client_ca_file=tls.get("client_ca_file", self._file, None),
            client_ca=tls.get("client_ca", _text, None),
            client_auth=auth,
            client_allowed_sans=sans,
            min_version=tls.get("min_version", _one_of(VERSIONS), ssl.TLSVersion.TLSv1_2),
            max_version=tls.get("max_version", _one_of(VERSIONS), ssl.TLSVersion.TLSv1_3),
            ciphers=tls.get("cipher_suites", _ciphers, ()),
            prefer_server_ciphers=tls.get("prefer_server_cipher_suites", _boolean, True),
            curve=tls.get("curve_preferences", _curve, None),
        )
        if config.min_version > config.max_version:
            self.problem(None, tls.path("min_version"), "is above max_version")
        tls.finish()
        return config

    def _headers(self, section: _Section) -> Mapping[str, str]:
        headers = {}
        for name, allowed in _HEADERS.items():
            value = section.get(name, _header(allowed), "")
            if value:
                headers[name] = value
        section.finish()
        return headers

    def _users(self, section: _Section) -> Mapping[str, str]:
        users = {}
        for name, node in section.items():
            if ":" in name or not name.isprintable():
                self.problem(
                    node, section.path(name[:80]), "has a name that cannot be sent: it has a colon or worse in it"
                )
            elif not isinstance(node, yaml.ScalarNode) or not (found := _BCRYPT.fullmatch(node.value)):
                self.problem(node, section.path(name[:80]), "is not a bcrypt hash, such as `htpasswd -nBC 10 ''` makes")
            elif int(found[1]) not in _COSTS:
                limits = f"{_COSTS[0]} to {_COSTS[-1]}"
                self.problem(node, section.path(name[:80]), f"has the bcrypt cost {found[1]}; allowed are {limits}")
            else:
                users[name] = node.value
        return users

    def _rate_limit(self, section: _Section) -> RateLimit | None:
        interval = section.get("interval", _duration, 0.0)
        burst = section.get("burst", _whole, 0)
        if interval and not burst:
            self.problem(None, section.path("burst"), "is missing: no request would ever be answered")
        section.finish()
        return RateLimit(interval, burst) if interval else None

    def _file(self, node: yaml.Node) -> str:
        return os.path.join(self._directory, _text(node))


def _is_unset(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and (node.tag == _NULL or node.value == "")


def _text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _Wrong("is not text")
    if "\0" in node.value:
        raise _Wrong("has a null character in it")
    text: str = node.value
    return text


def _texts(node: yaml.Node) -> Iterator[str]:
    if not isinstance(node, yaml.SequenceNode):
        raise _Wrong("is not a list")
    for item in node.value:
        yield _text(item)


def _boolean(node: yaml.Node) -> bool:
    return _one_of({"true": True, "false": False})(node)


def _one_of(values: Mapping[str, T]) -> Callable[[yaml.Node], T]:
    def parse(node: yaml.Node) -> T:
        text = _text(node)
        if text not in values:
            raise _Wrong(f"{shown(text)} is none of {', '.join(values)}")
        return values[text]

    return parse


def _client_auth(node: yaml.Node) -> ssl.VerifyMode:
    if _text(node) in ("RequireAnyClientCert", "RequireClientCert"):
        raise _Wrong(
            f"{_text(node)} takes any certificate, which keeps nobody out, and Python's ssl module cannot do it; use "
            "RequireAndVerifyClientCert, or NoClientCert"
        )
    return _one_of(CLIENT_AUTH)(node)


def _ciphers(node: yaml.Node) -> tuple[str, ...]:
    names = list(_texts(node))
    unknown = [name for name in names if name not in CIPHERS]
    if unknown:
        raise _Wrong(f"{shown(unknown[0])} is none of {', '.join(CIPHERS)}")
    return tuple(CIPHERS[name] for name in names if CIPHERS[name])


def _curve(node: yaml.Node) -> str | None:
    names = list(_texts(node))
    unknown = [name for name in names if name not in CURVES]
    if unknown:
        raise _Wrong(f"{shown(unknown[0])} is none of {', '.join(CURVES)}")
    if len(names) > 1:
        raise _Wrong("has more than one curve, and Python's ssl module takes one; leave it out for all of them")
    return CURVES[names[0]] if names else None


def _header(allowed: tuple[str, ...] | None) -> Callable[[yaml.Node], str]:
    def parse(node: yaml.Node) -> str:
        value = _text(node)
        if allowed is not None and value not in allowed:
            raise _Wrong(f"{shown(value)} is none of {', '.join(allowed)}")
        if not _VALUE.fullmatch(value):
            raise _Wrong("has a character that no header can have")
        return value

    return parse


def _whole(node: yaml.Node) -> int:
    text = _text(node)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _Wrong(f"{shown(text)} is not a whole number")
    return int(text)


def _duration(node: yaml.Node) -> float:
    text = _text(node)
    parts = _DURATION.findall(text)
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40):
        raise _Wrong(f"{shown(text)} is not a duration, such as 1s or 100ms")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
