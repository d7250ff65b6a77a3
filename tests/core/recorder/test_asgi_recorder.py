"""An ASGI application between a recorder and a server that are both only here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.failures import Failures
from gunicorn_prometheus_exporter.note import note_of
from gunicorn_prometheus_exporter.recorder.asgi_recorder import ASGIRecorder
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.files import open_named
from gunicorn_prometheus_exporter.storage.segments import Segments
from gunicorn_prometheus_exporter.workers.instrument_asgi import InstrumentedASGIApp
from tests.core.recorder.recording import Recording

App = Callable[[Any, Any, Any], Awaitable[None]]
START = {"type": "http.response.start", "status": 200, "headers": []}


class Server:
    """A server that says what a test wants it to. ``receive`` is a method of the connection, as of real ones."""

    unaccepted = 403

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.messages = messages
        self.sent: list[dict[str, Any]] = []
        self.gone = False

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if not self.gone:
            self.sent.append(message)

    def connection_of(self, receive: Any) -> object | None:
        return receive.__self__

    def is_gone(self, connection: Any) -> bool:
        return bool(connection.gone)

    def answered(self, connection: object) -> int:
        return 499

    def close_code(self, receive: Any, told: int | None) -> int:
        return told or 1006


class Served(Recording):
    """A worker of an ASGI application."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        super().__init__(directory)
        self.failed: list[BaseException] = []
        store = open_named(str(directory), lambda _, error: self.failed.append(error), cleanup=False, uid=0, gid=0)
        self.server = Server([{"type": "http.request", "body": b"", "more_body": False}])
        self.asgi = ASGIRecorder(
            Segments(store, "1"),
            self.journal,
            Settings(**settings),
            cfg=SimpleNamespace(forwarded_allow_ips=["127.0.0.1"]),
            server=self.server,
            report=lambda _, error: self.failed.append(error),
        )

    def value(self, name: str, **labels: str) -> float | None:
        """What prometheus_client's own collector reads of one sample, None if there is none."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.directory))
        return registry.get_sample_value(name, labels)

    def call(self, app: App, method: str = "GET", kind: str = "http") -> None:
        """One request, or websocket; what escapes the application is raised."""
        scope = {"type": kind, "method": method, "path": "/x", "headers": [], "client": ("127.0.0.1", 1)}
        asyncio.run(InstrumentedASGIApp(app, self.asgi, Failures())(scope, self.server.receive, self.server.send))  # type: ignore[arg-type]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def test_a_request_is_recorded_whole(served: Served) -> None:
    served.server.messages = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de"},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        note_of(scope).endpoint("/things/{x}")
        while (await receive()).get("more_body"):
            pass
        await send(START)
        await send(body(b"x" * 10, True))
        await send(body(b"x" * 5))

    served.call(app, "POST")
    labels = {"method": "POST", "endpoint": "/things/{x}"}
    assert served.value("gunicorn_http_requests_total", **labels, status="200") == 1
    assert served.value("gunicorn_http_request_size_bytes_sum", **labels) == 5
    assert served.value("gunicorn_http_response_size_bytes_sum", **labels) == 15
    assert served.journal.busy() is False
    assert not served.failed


def test_all_messages_arrive_as_they_are(served: Served) -> None:
    """Nothing is added, held back, or in another order."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.informational", "status": 103, "headers": []})
        await send({**START, "trailers": True})
        await send(body(b"x"))
        await send({"type": "http.response.trailers", "headers": []})

    served.call(app)
    assert [message["type"].rpartition(".")[2] for message in served.server.sent] == [
        "informational",
        "start",
        "body",
        "trailers",
    ]


def test_what_a_server_drops_is_not_counted(served: Served) -> None:
    """The client is gone after the first part."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"x" * 10, True))
        served.server.gone = True
        await send(body(b"x" * 20, True))
        await send(body(b"x" * 30))

    served.call(app)
    assert served.value("gunicorn_http_response_size_bytes_sum", method="GET", endpoint="__unrouted__") == 10
    assert served.value("gunicorn_http_aborted_responses_total", method="GET", endpoint="__unrouted__") == 1


def test_more_than_was_announced(served: Served) -> None:
    """A server cuts what an application sends beyond its Content-Length."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"Content-Length", b"12")]})
        await send(body(b"x" * 10, True))
        await send(body(b"x" * 10))

    served.call(app)
    assert served.value("gunicorn_http_response_size_bytes_sum", method="GET", endpoint="__unrouted__") == 12


def test_cancelled_because_the_client_is_gone(served: Served) -> None:
    """No exception of the application's, and nothing is left in progress."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.server.gone = True
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        served.call(app)
    labels = {"method": "GET", "endpoint": "__unrouted__"}
    assert served.value("gunicorn_http_requests_total", **labels, status="499") == 1
    assert served.value("gunicorn_http_aborted_responses_total", **labels) == 1
    assert served.values("gunicorn_http_exceptions_total") == {}
    assert served.journal.busy() is False


def test_cancelled_for_another_reason(served: Served) -> None:
    """The server stops: nobody handled that."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        served.call(app)
    labels = {"method": "GET", "endpoint": "__unrouted__"}
    assert served.value("gunicorn_http_requests_total", **labels, status="500") == 1
    failure = {"error_type": "CancelledError", "handled": "false", "source": "asgi"}
    assert served.value("gunicorn_http_exceptions_total", **labels, **failure) == 1


def test_answered_and_raised_again(served: Served) -> None:
    """As Starlette does with what its handler of last resort gets."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        error = ValueError("x")
        note_of(scope).handled(error, "starlette")
        await send({**START, "status": 400})
        await send(body())
        raise error

    with pytest.raises(ValueError, match="x"):
        served.call(app)
    labels = {"method": "GET", "endpoint": "__unrouted__", "error_type": "ValueError"}
    assert served.value("gunicorn_http_exceptions_total", **labels, handled="true", source="starlette") == 1
    assert served.value("gunicorn_http_exceptions_total", **labels, handled="false", source="starlette") is None


def test_a_failure_of_ours_is_not_the_applications(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response goes out, and the failure is reported."""
    monkeypatch.setattr(served.asgi, "_write", lambda *_: 1 / 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"hello"))

    served.call(app)
    assert served.server.sent[-1]["body"] == b"hello"
    assert [type(error) for error in served.failed] == [ZeroDivisionError]


def test_a_bridge_that_fails(served: Served) -> None:
    """The request is counted all the same, and is over."""
    served.asgi.unrouted.append(lambda *_: 1 / 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-length", b"many")]})
        await send(body(b"hello"))

    served.call(app)
    assert served.value("gunicorn_http_requests_total", method="GET", endpoint="__unrouted__", status="200") == 1
    assert served.journal.busy() is False
    assert [type(error) for error in served.failed] == [ZeroDivisionError]


def test_nothing_is_kept(served: Served) -> None:
    """The scope lets go of the note: no circle is left for the collector."""
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(START)
        await send(body())

    served.call(app)
    assert note_of(scopes[0]) is note_of({})


def test_excluded(tmp_path: Path) -> None:
    """A request and websockets, accepted and refused: three times the same counter, and nothing else."""
    served = Served(tmp_path, excluded_endpoints=("/things/*",))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        note_of(scope).endpoint("/things/{x}")
        if scope["type"] == "http":
            await send(START)
            await send(body(b"x"))
        elif scope["method"] == "ACCEPT":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "x"})
            await send({"type": "websocket.close"})
            raise ValueError
        else:
            await send({"type": "websocket.close"})

    served.call(app)
    with contextlib.suppress(ValueError):
        served.call(app, "ACCEPT", "websocket")
    served.call(app, "REFUSE", "websocket")
    assert served.value("gunicorn_http_excluded_requests_total") == 3
    assert list(served.values("gunicorn_http_requests_total")) == []
    for name in ("opened_total", "closed_total", "refused_total", "messages_total", "exceptions_total"):
        assert served.values(f"gunicorn_websocket_{name}") == {}
    assert served.value("gunicorn_worker_request_seconds_total", worker_id="1") > 0  # type: ignore[operator]
    assert not served.failed
