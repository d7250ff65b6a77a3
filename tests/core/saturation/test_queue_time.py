"""The time a request waited in front of the worker, as the proxy's header tells it."""

from __future__ import annotations

import ipaddress
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gunicorn_prometheus_exporter.gunicorn_versions import peer_is_trusted
from gunicorn_prometheus_exporter.recorder.queue_time import QueueTime, queue_seconds, request_start
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.segment import Segment

START = 1512379167.574


@pytest.mark.parametrize(
    "header",
    [
        "t=1512379167.574",
        "1512379167.574",
        "t=1512379167574",
        "1512379167574",
        "t=1512379167574000",
        "1512379167574000",
        "t=1512379167574000000",
        "1512379167574000000",
        "1512379167574.0",
        " t= 1512379167.574\t",
        "t=1512379167.574, t=1512379168.000",
    ],
)
def test_every_usual_form_names_the_same_moment(header: str) -> None:
    """Seconds, milliseconds, microseconds, nanoseconds, whole or not, with or without ``t=``; the first of several."""
    assert request_start(header) == pytest.approx(START, abs=1e-3)


@pytest.mark.parametrize(
    "header",
    ["", "t=", "-1512379167", "1e9", "nan", "inf", "0x5a", "1512379167s", "t=t=1", "1" * 21, "١٢٣", "1 2", "9" * 400],
)
def test_what_is_no_time_is_no_time(header: str) -> None:
    """Whatever a client sends, there is no error and no number out of nothing."""
    assert request_start(header) is None


@pytest.mark.parametrize(
    ("now", "seconds"),
    [(START, 0.0), (START + 0.25, 0.25), (START + 3600, 3600.0), (START + 3601, None), (START - 0.001, None)],
)
def test_only_what_can_be_true_counts(now: float, seconds: float | None) -> None:
    """A clock that is ahead of ours, or an hour in a queue, is no measurement."""
    found = queue_seconds(f"t={START}", now)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_the_other_header_is_used_if_the_first_is_of_no_use(tmp_path: Path) -> None:
    """X-Request-Start goes first; X-Queue-Start counts where that is missing or nonsense."""
    segment = Segment(os.open(tmp_path / "histogram_1.db", os.O_RDWR | os.O_CREAT))
    queue_time = QueueTime(segment, lambda request: request == "trusted", Settings())
    assert len(segment) == 0, "no family as long as no proxy says anything"
    now = time.time()
    queue_time.observe({"HTTP_X_REQUEST_START": "rubbish", "HTTP_X_QUEUE_START": f"t={now - 0.3}"}, "trusted")
    queue_time.observe({"HTTP_X_REQUEST_START": f"t={now - 0.3}", "HTTP_X_QUEUE_START": f"t={now - 9}"}, "trusted")
    queue_time.observe({"HTTP_X_REQUEST_START": f"t={now - 0.3}"}, "stranger")
    values = {key: value for key, value, _ in segment.read_all_values()}
    assert sum(value for key, value in values.items() if "_bucket" in key) == 2
    assert [value for key, value in values.items() if '"0.5"' in key] == [2.0]
    assert [value for key, value in values.items() if "_sum" in key] == [pytest.approx(0.6, abs=0.1)]


def _request(peer: Any, allowed: list[str], networks: list[str] | None = None) -> Any:
    cfg = SimpleNamespace(forwarded_allow_ips=allowed)
    if networks is not None:
        cfg.forwarded_allow_networks = lambda: [ipaddress.ip_network(network) for network in networks]
    return SimpleNamespace(peer_addr=peer, cfg=cfg)


@pytest.mark.parametrize(
    ("request_", "trusted"),
    [
        (_request(("127.0.0.1", 1), ["127.0.0.1", "::1"]), True),
        (_request(("10.0.0.1", 1), ["127.0.0.1", "::1"]), False),
        (_request(("10.0.0.1", 1), ["*"]), True),
        (_request(("10.0.0.1", 1), []), False),
        (_request("", ["127.0.0.1"]), True),
        (_request(b"", []), True),
        (_request(("::1", 1, 0, 0), ["::1"]), True),
        (_request(("10.0.0.1", 1), ["10.0.0.0/8"]), False),
        (_request(("10.0.0.1", 1), ["10.0.0.0/8"], ["10.0.0.0/8"]), True),
        (_request(("11.0.0.1", 1), ["10.0.0.0/8"], ["10.0.0.0/8"]), False),
        (_request(("fe80::1%eth0", 1, 0, 2), ["10.0.0.0/8"], ["10.0.0.0/8"]), False),
        (_request(("no address", 1), ["10.0.0.0/8"], ["10.0.0.0/8"]), False),
    ],
)
def test_whom_gunicorn_trusts(request_: Any, trusted: bool) -> None:
    """``forwarded_allow_ips`` as each Gunicorn reads it: addresses, ``*``, networks from 25 on, and any Unix socket."""
    assert peer_is_trusted(request_) is trusted
