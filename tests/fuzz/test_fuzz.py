"""Whatever the bytes are: those of a segment, a journal, a settings file, a web configuration, or a client.

Each test starts from something sound and damages it, so that the damage gets deep. The number of examples is fixed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gunicorn_prometheus_exporter.recorder.recovery import recover_slot
from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.server.credentials import Answer, Credentials
from gunicorn_prometheus_exporter.server.endpoint import MetricsEndpoint
from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.http import HEAD_LIMIT, BadRequest, Head, Request, parse_head
from gunicorn_prometheus_exporter.server.listener import open_listener
from gunicorn_prometheus_exporter.server.loop import MetricsServer
from gunicorn_prometheus_exporter.server.negotiation import accepts_gzip, prefers_openmetrics
from gunicorn_prometheus_exporter.server.passwords import Passwords
from gunicorn_prometheus_exporter.server.policy import matches_bcrypt
from gunicorn_prometheus_exporter.server.security import Security
from gunicorn_prometheus_exporter.server.web_config import WebConfig, parse_web_config
from gunicorn_prometheus_exporter.settings import Settings, SettingsError
from gunicorn_prometheus_exporter.settings.yaml_file import read_yaml_file
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.journal import Phase
from gunicorn_prometheus_exporter.storage.segments import Segments
from tests.core.scrape.segments import key, packed

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SLOW_FUZZ = settings(FUZZ, max_examples=60)

HASH = "$2y$04$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
SEGMENTS = {
    "counter_1.db": packed((key("a", "a_total", {"x": "1"}), 1.5), (key("a", "a_total", {"x": "2"}), 2.5)),
    "histogram_1.db": packed(
        (key("h", "h_bucket", {"le": "1.0"}), 1.0),
        (key("h", "h_bucket", {"le": "+Inf"}), 2.0),
        (key("h", "h_sum"), 2.5),
    ),
    "gauge_mostrecent_1.db": packed((key("g", "g"), 1.0, 1e9)),
    "info_1.db": packed((key("i", "i_info", {"version": "1"}), 1.0, 1e9)),
    "stateset_1.db": packed((key("s", "s", {"s": "on"}), 1.0, 1e9)),
}
REQUEST = (
    b"GET /metrics?name[]=up HTTP/1.1\r\nHost: h:9091\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5\r\n"
    b"Accept-Encoding: gzip\r\nAuthorization: Basic am9lOngK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
)
YAML = """
exporter:
  prometheus: {metrics_port: 9091, bind_address: "0.0.0.0", ssl: {enabled: false, certfile: ""}}
  redis: &redis {enabled: false, host: localhost, port: 6379, password: "p"}
  methods: [GET, POST]
  cleanup: {db_files: true}
"""
WEB_CONFIG = f"""
tls_server_config: {{cert_file: a.pem, key_file: b.pem, client_auth_type: NoClientCert, cipher_suites: []}}
http_server_config: {{http2: true, headers: {{X-Frame-Options: deny}}}}
basic_auth_users: {{joe: "{HASH}"}}
rate_limit: {{interval: 1s, burst: 2}}
"""


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """``sound`` with some bytes overwritten, cut out, put in or repeated."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 4, 8, 64])))
        data[start:end] = draw(
            st.binary(max_size=9)
            | st.sampled_from(
                [data[start:end] * 3, b"\0" * 8, b"\xff" * 8, b"\r\n", b": ", b"{", b"[", b"&a", b"*a", b"<<: "]
            )
            | st.integers(-(2**31), 2**31 - 1).map(lambda number: struct.pack("=i", number))
        )
    return bytes(data)


@SLOW_FUZZ
@given(st.data())
def test_segments(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A scrape of damaged segments fails in nothing, and what it gives is still an exposition; a sound segment beside
    them keeps its values."""
    directory = tmp_path_factory.mktemp("segments")
    for name, sound in SEGMENTS.items():
        (directory / name).write_bytes(data.draw(damaged(sound)))
    (directory / "counter_2.db").write_bytes(packed((key("sound", "sound_total"), 7.0)))
    for name in data.draw(
        st.lists(st.sampled_from(["counter_x.db", "gauge_1.db", "_1.db", "slot_1.lock", "journal_1.bin"]))
    ):
        (directory / name).write_bytes(data.draw(st.binary(max_size=64)))
    scraper = Scraper(DirectorySource(str(directory)), legacy=True)
    for openmetrics in (False, True):
        text = scraper.render(openmetrics=openmetrics, names=()).decode()
        assert "sound_total 7.0\n" in text
        if not openmetrics:
            list(text_string_to_metric_families(text))


@FUZZ
@given(data=st.data())
def test_journals(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A journal of any content can be read, and what is in it can be counted."""
    directory = tmp_path_factory.mktemp("journal")
    words = data.draw(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 600), min_size=1, max_size=160))
    content = struct.pack(f"={len(words)}Q", *words) + data.draw(st.binary(max_size=9))
    (directory / "journal_1.bin").write_bytes(content)
    failures: list[BaseException] = []
    store = FileStore(
        str(directory), lambda _, error: failures.append(error), private=False, uid=os.geteuid(), gid=os.getegid()
    )
    journal = store.open_journal("1", 4)
    assert journal.phase()[0] in Phase
    journal.busy_seconds()
    assert all(0 <= each.status <= 999 for each in journal.unfinished())
    slot = store.slots.take()
    assert slot.owner == "1"
    recover_slot(store, Segments(store, "1"), Settings())
    assert not journal.busy()
    store.slots.let_go(slot)
    assert failures == []


@FUZZ
@given(damaged(YAML.encode()))
def test_settings_files(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A settings file of any content is read, and what is wrong with it is said in lines of a bounded length."""
    path = tmp_path_factory.getbasetemp() / "fuzzed_settings.yml"
    path.write_bytes(content)
    for problem in read_yaml_file(str(path)).problems:
        assert len(problem) < 2000


@FUZZ
@given(damaged(WEB_CONFIG.encode()))
def test_web_configurations(content: bytes) -> None:
    """A web configuration is what it says, or one error of lines of a bounded length; and never a wrong hash."""
    problems: tuple[str, ...] = ()
    config = WebConfig()
    try:
        config = parse_web_config(content, "web.yml")
    except SettingsError as error:
        problems = error.problems
    assert all(len(problem) < 2000 and "\n" not in problem for problem in problems)
    assert all(len(hashed) >= 59 for hashed in config.users.values())


def parsed(received: bytes) -> Head | HTTPStatus | None:
    try:
        return parse_head(bytearray(received))
    except BadRequest as error:
        return error.status


@FUZZ
@given(damaged(REQUEST), st.data())
def test_requests(sent: bytes, data: st.DataObject) -> None:
    """A request is parsed, refused or not yet whole, whatever it is; and the same wherever it is cut."""
    whole = parsed(sent)
    if isinstance(whole, Head):
        assert 0 < whole.size <= min(len(sent), HEAD_LIMIT)
        assert parsed(sent[: whole.size]) == whole
    cut = parsed(sent[: data.draw(st.integers(0, len(sent)))])
    if not isinstance(whole, HTTPStatus):
        assert cut is None or cut == whole
    elif isinstance(cut, HTTPStatus):
        assert cut == whole


@SLOW_FUZZ
@given(
    st.text(max_size=200)
    | damaged(b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1, gzip;q=0").map(lambda b: b.decode("latin-1"))
)
def test_negotiation(header: str) -> None:
    """Any header means something."""
    assert prefers_openmetrics(header) in (False, True)
    assert accepts_gzip(header) in (False, True)


@SLOW_FUZZ
@given(damaged(b"Basic am9lOnNlY3JldA==").map(lambda value: value.decode("latin-1")) | st.text(max_size=50))
def test_authorization(value: str) -> None:
    """Nothing but the password and the token lets in."""
    credentials = Credentials({"joe": HASH}, "token.token", Passwords(lambda password, hashed: False))
    request = Request("GET", "/metrics", headers={"authorization": value}, peer="1.2.3.4")
    assert credentials.answer(request) in (Answer.NO, Answer.NOT_YET)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, list[Exception]]]:
    """The port of a running server, and what failed in it."""
    failures: list[Exception] = []

    def render(*, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        return b"up 1\n"

    security = Security(Settings(), Passwords(matches_bcrypt), print)
    listener = open_listener("127.0.0.1", 0)
    running = MetricsServer(
        listener,
        MetricsEndpoint(render, lambda: True, security),
        gate=ForkGate(),
        on_failure=lambda component, error: failures.append(error),
        head_timeout=0.5,
        idle_timeout=0.5,
    )
    running.start()
    yield listener.getsockname()[1], failures
    running.stop()


@SLOW_FUZZ
@given(st.lists(damaged(REQUEST) | st.binary(max_size=300), min_size=1, max_size=4))
def test_a_running_server(server: tuple[int, list[Exception]], sent: list[bytes]) -> None:
    """Whatever it is sent, it answers in HTTP or not at all, has no failure, and answers the next one."""
    port, failures = server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, contextlib.suppress(ConnectionError):
        for data in sent:
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while received := client.recv(65536):
            answer += received
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert b"Traceback" not in answer
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began < 5
    assert failures == []
