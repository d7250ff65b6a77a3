"""A file is read as it is written: texts, their lines, and nothing that YAML would make of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunicorn_prometheus_exporter.settings import Settings, SettingsError, settings_from
from gunicorn_prometheus_exporter.settings.setting import Entry, Place
from gunicorn_prometheus_exporter.settings.yaml_file import read_yaml_file

WRITE = Callable[[str], Path]

# As it stands in the documented interface, word for word.
DOCUMENTED = """\
exporter:
  prometheus: {metrics_port: 9091, bind_address: "0.0.0.0", multiproc_dir: "/tmp/prometheus_multiproc",
               ssl: {enabled: false, certfile: "", keyfile: "", client_cafile: "", client_capath: "",
                     client_auth_required: false}}
  gunicorn: {workers: 2, timeout: 30, keepalive: 2}
  redis: {enabled: false, host: localhost, port: 6379, db: 0, password: "", key_prefix: gunicorn, ttl_seconds: 300,
          ttl_disabled: false, ssl: {enabled: false, ca_certs: "", certfile: "", keyfile: ""}}
  ssl: {enabled: false, certfile: "", keyfile: ""}
  cleanup: {db_files: true}
"""


def read(path: Path) -> Settings:
    return settings_from({}, read_yaml_file(str(path)))


def test_the_documented_file(yaml_file: WRITE) -> None:
    """Every key of it is known, and what is empty is unset."""
    expected = Settings(
        multiproc_dir="/tmp/prometheus_multiproc",
        redis_host="localhost",
        gunicorn_workers=2,
        gunicorn_timeout=30,
        gunicorn_keepalive=2,
    )
    assert read(yaml_file(DOCUMENTED)) == expected


@pytest.mark.parametrize("text", ["exporter: {}", "exporter:", "exporter: null", "exporter: {redis: , ssl: ''}"])
def test_only_exporter_is_required(yaml_file: WRITE, text: str) -> None:
    """Every missing key has its default."""
    assert read(yaml_file(text)) == Settings()


def test_other_keys_at_the_top(yaml_file: WRITE) -> None:
    """A file may be shared with another program."""
    assert read(yaml_file("server: {port: x}\nexporter: {sidecar_mode: true}")).sidecar_mode


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("0123", "0123"),
        ("1e3", "1e3"),
        ("yes", "yes"),
        ("2001-01-01", "2001-01-01"),
        ("'null'", "null"),
        ("1_0", "1_0"),
    ],
)
def test_texts(yaml_file: WRITE, written: str, password: str) -> None:
    """Passwords are not numbers, dates or truths, whatever they look like."""
    assert read(yaml_file(f"exporter: {{redis: {{password: {written}}}}}")).redis_password == password


@pytest.mark.parametrize("written", ["null", "~", "", "''", '""'])
def test_unset(yaml_file: WRITE, written: str) -> None:
    """As in the documented example."""
    assert read(yaml_file(f"exporter: {{redis: {{host: {written}}}}}")).redis_host == "127.0.0.1"


def test_places(yaml_file: WRITE) -> None:
    """The line of a value, and its key."""
    file = read_yaml_file(str(yaml_file("exporter:\n  redis:\n    host: redis\n    port:\n      6380\n")))
    assert file.entries == {
        "redis.host": Entry("redis", Place("exporter.redis.host", "exporter.yml:3")),
        "redis.port": Entry("6380", Place("exporter.redis.port", "exporter.yml:5")),
    }


def test_anchors_and_merges(yaml_file: WRITE) -> None:
    """What is written once and used twice; a mapping's own keys win over what it merges."""
    text = """
        tls: &tls {certfile: server.pem, keyfile: server.key}
        exporter:
          prometheus: {ssl: {<<: *tls, keyfile: own.key}}
          redis: {ssl: {<<: [*tls, {keyfile: other.key}]}}
    """
    settings = read(yaml_file(text))
    assert (settings.ssl_certfile, settings.ssl_keyfile) == ("server.pem", "own.key")
    assert (settings.redis_ssl_certfile, settings.redis_ssl_keyfile) == ("server.pem", "server.key")


def test_aliases_that_explode(yaml_file: WRITE) -> None:
    """A short file that means billions of values, and one that contains itself, end soon."""
    lists = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 99)}]" for n in range(1, 9))
    for depth in (4, 8):
        with pytest.raises(SettingsError, match="too many values"):
            read(yaml_file(f"l0: &l0 lol\n{lists}\nexporter: {{methods: *l{depth}}}"))
    for text in ("exporter: &a {prometheus: *a}", "exporter: &a {<<: *a}", "exporter: {methods: &a [*a]}"):
        path = yaml_file(text)
        if "<<" not in text:
            with pytest.raises(SettingsError):
                read(path)
        else:
            assert read(path) == Settings()


def test_two_names_of_one_setting(yaml_file: WRITE) -> None:
    """TLS of the endpoint is documented at two places; the default at one of them contradicts nothing."""
    text = """
        exporter:
          prometheus: {ssl: {enabled: false, certfile: ""}}
          ssl: {enabled: true, certfile: server.pem, keyfile: server.key}
    """
    settings = read(yaml_file(text))
    assert (settings.ssl_enabled, settings.ssl_certfile, settings.ssl_keyfile) == (True, "server.pem", "server.key")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="exporter:{}[]&*!<>'\"|-,# \n\tab?%@0", max_size=120).map(str.encode))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a file holds, it makes settings or a SettingsError."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.yml"
    path.write_bytes(content)
    with contextlib.suppress(SettingsError):
        read(path)
