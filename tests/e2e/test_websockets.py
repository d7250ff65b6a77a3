"""Websockets: in families of their own, as the client saw them, on every worker class that can serve them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.conftest import GUNICORN_MAJOR
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn

pytestmark = pytest.mark.matrix

APP = Path(__file__).with_name("asgi_app.py")
OPEN = "gunicorn_websocket_open"
OPENED = "gunicorn_websocket_opened_total"
CLOSED = "gunicorn_websocket_closed_total"

from_26 = pytest.mark.skipif(GUNICORN_MAJOR == 25, reason="not what Gunicorn 25's asgi worker does")


def opened(server: Gunicorn, path: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{path}")


def codes(seen: Exposition, endpoint: str) -> dict[str, float]:
    return {sample.labels["code"]: sample.value for sample in seen.samples(CLOSED, endpoint=endpoint)}


def test_messages(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """Open, messages and bytes both ways, duration and close code; and no request."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    sizes = {"sent": 0, "received": 0}
    with opened(server, "/echo/a") as first, opened(server, "/echo/a"), opened(server, "/echo/b"):
        seen = server.scrape()
        assert (seen.value(OPEN, endpoint="/echo/a"), seen.value(OPEN, endpoint="/echo/b")) == (2, 1)
        assert seen.total("gunicorn_worker_connections") == 3
        for message in ("hello", "grüße", b"\x00" * 70_000, ""):
            first.send(message)
            assert first.recv() == message
            for direction in sizes:
                sizes[direction] += len(message.encode() if isinstance(message, str) else message)
        time.sleep(0.3)
    seen = server.scrape_until(lambda e: e.total(CLOSED) == 3)
    for direction, size in sizes.items():
        of_a = {"endpoint": "/echo/a", "direction": direction}
        assert seen.value("gunicorn_websocket_messages_total", **of_a) == 4
        assert seen.value("gunicorn_websocket_message_bytes_total", **of_a) == size
    assert seen.value(OPENED, endpoint="/echo/a") == 2
    assert seen.total(OPEN) == 0
    assert codes(seen, "/echo/a") == {"1000": 2}
    assert seen.value("gunicorn_websocket_duration_seconds_count", endpoint="/echo/a") == 2
    assert seen.value("gunicorn_websocket_duration_seconds_sum", endpoint="/echo/a") > 0.6
    assert seen.total("gunicorn_http_requests_total") == 0
    assert seen.total("gunicorn_worker_requests_in_progress") == 0
    server.scrape_until(lambda e: e.total("gunicorn_worker_connections") == 0)


@from_26
def test_close_codes(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """The client's code, the application's, and what a lost connection and a failing application leave."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    with opened(server, "/echo/client") as socket:
        socket.close(1001)
    with opened(server, "/echo/private") as socket:
        socket.close(3999)
    with opened(server, "/echo/application") as socket:
        socket.send("close me")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001
    with opened(server, "/echo/lost") as socket:
        socket.socket.shutdown(SHUT_RDWR)
    with opened(server, "/echo/raise") as socket:
        socket.send("raise")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        failed = 1006 if closed.value.rcvd is None else closed.value.rcvd.code
    seen = server.scrape_until(lambda e: e.total(CLOSED) == 5)
    assert codes(seen, "/echo/client") == {"1001": 1}
    assert codes(seen, "/echo/private") == {"3xxx": 1}
    assert codes(seen, "/echo/application") == {"4xxx": 1}
    assert codes(seen, "/echo/lost") == {"1006": 1}
    assert codes(seen, "/echo/raise") == {str(failed): 1}
    failure = {"endpoint": "/echo/raise", "error_type": "ValueError", "handled": "false", "source": "asgi"}
    assert seen.value("gunicorn_websocket_exceptions_total", **failure) == 1
    assert seen.total("gunicorn_websocket_exceptions_total") == 1
    assert seen.total(OPEN) == 0


@from_26
def test_refused_handshakes(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """By the status that the client got."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    for path, status in (("/refuse/a", 403), ("/fail/a", 500)):
        with pytest.raises(InvalidStatus) as refused:
            opened(server, path)
        assert refused.value.response.status_code == status
        seen = server.scrape_until(lambda e, path=path: e.total("gunicorn_websocket_refused_total", endpoint=path))
        assert seen.value("gunicorn_websocket_refused_total", endpoint=path, status=str(status)) == 1
    assert seen.total("gunicorn_websocket_exceptions_total", endpoint="/fail/a", error_type="ValueError") == 1
    assert seen.total(OPENED) == seen.total("gunicorn_http_requests_total") == 0


def test_killed_worker(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """What a killed worker had open is open no more, and what it counted stays."""
    server = gunicorn(APP, worker_class=asgi_worker_class)
    with opened(server, "/echo/a") as socket:
        socket.send("hello")
        socket.recv()
        server.scrape_until(lambda e: e.total("gunicorn_websocket_messages_total") == 2)
        server.kill_worker()
        server.wait_booted()
    seen = server.scrape()
    assert seen.total(OPEN) == 0
    assert seen.value(OPENED, endpoint="/echo/a") == 1
    assert seen.total("gunicorn_websocket_messages_total") == 2


@from_26
def test_cap(gunicorn: Callable[..., Gunicorn], asgi_worker_class: str) -> None:
    """Endpoints over the cap are one, and that is counted."""
    server = gunicorn(APP, worker_class=asgi_worker_class, env={"PROMETHEUS_MAX_SERIES": "10"})
    for number in range(13):
        with opened(server, f"/echo/{number}"):
            pass
    seen = server.scrape_until(lambda e: e.total(CLOSED) == 13)
    assert seen.label_values(OPENED, "endpoint") == {*(f"/echo/{number}" for number in range(10)), "__other__"}
    assert seen.value(OPENED, endpoint="__other__") == 3
    assert seen.total("gunicorn_exporter_dropped_series_total", family="gunicorn_websocket_opened") == 3
