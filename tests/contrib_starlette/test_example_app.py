"""The example application, started as its README says, and used as it invites to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect

from tests.e2e.conftest import asgi_worker_class as asgi_worker_class
from tests.e2e.conftest import gunicorn as gunicorn
from tests.e2e.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.e2e.harness import ASGI_WORKER_CLASSES, ROOT, Gunicorn

APP = ROOT / "example_apps" / "fastapi_app"
FILE = b"0123456789\n" * 10_000
EXCEPTIONS = "gunicorn_http_exceptions_total"
RECEIVED, SENT = "gunicorn_http_request_size_bytes_sum", "gunicorn_http_response_size_bytes_sum"


def test_the_shelf(gunicorn: Callable[..., Gunicorn], tmp_path: Path, asgi_worker_class: str) -> None:
    """Upload, list, download, report, news, chat, delete, and both kinds of error."""
    server = gunicorn(APP, worker_class=asgi_worker_class, workers=2, env={"SHELF": str(tmp_path)})
    answers = [
        server.get("/files/digits.txt", "PUT", FILE),
        server.get("/"),
        server.get("/files/digits.txt"),
        server.get("/files/nothing.txt"),
        server.get("/files/%2e%2e", "PUT", b"evil"),
        server.get("/broken"),
        server.get("/report?lines=x"),
        server.get("/no/such/page"),
        server.get("/admin/files/digits.txt", "DELETE"),
        server.get("/admin/files/digits.txt", "DELETE"),
    ]
    assert [answer.status for answer in answers] == [201, 200, 200, 404, 400, 500, 422, 404, 204, 404]
    assert answers[2].body == FILE
    with server.connect() as connection:
        connection.send_head("GET", "/news")
        while connection.file.readline() != b"data: 0 files\n":
            pass
    with connect(f"ws://127.0.0.1:{server.port}/echo/lobby") as socket:
        socket.send("hello")
        assert socket.recv() == "lobby: hello"
    with pytest.raises(InvalidHandshake), connect(f"ws://127.0.0.1:{server.port}/echo/closed"):
        pass

    seen = server.scrape_until(
        lambda e: (
            e.total("gunicorn_http_requests_total") == len(answers) + 1
            and e.total("gunicorn_websocket_closed_total") == e.total("gunicorn_websocket_refused_total") == 1
        )
    )
    assert seen.value(RECEIVED, endpoint="/files/{name}", method="PUT") == len(FILE)
    assert seen.value(SENT, endpoint="/files/{name}", method="GET") == len(FILE) + len(answers[3].body)
    assert seen.value("gunicorn_http_aborted_responses_total", endpoint="/news") == 1
    assert seen.value("gunicorn_websocket_opened_total", endpoint="/echo/{room}") == 1
    assert seen.value("gunicorn_websocket_refused_total", endpoint="/echo/{room}", status="403") == 1
    found = {
        (sample.labels["endpoint"], sample.labels["error_type"], sample.labels["handled"]): sample.value
        for sample in seen.samples(EXCEPTIONS)
    }
    assert found == {
        ("/files/{name}", "NoSuchFile", "true"): 1,
        ("/files/{name}", "HTTPException", "true"): 1,
        ("/broken", "ZeroDivisionError", "false"): 1,
        ("/report", "RequestValidationError", "true"): 1,
        ("/admin/files/{name}", "HTTPException", "true"): 1,
    }


def test_its_configuration_is_all_it_needs() -> None:
    """``gunicorn app:app`` in its directory has our worker class."""
    settings: dict[str, object] = {}
    exec((APP / "gunicorn.conf.py").read_text(), settings)
    assert settings["worker_class"] == ASGI_WORKER_CLASSES["asgi"]
