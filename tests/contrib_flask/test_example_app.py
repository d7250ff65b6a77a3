"""The example application, started as its README says, and used as its page invites to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import gunicorn as gunicorn
from tests.e2e.harness import ROOT, Gunicorn

APP = ROOT / "example_apps" / "flask_app"
BOUNDARY = "boundary"
FILE = b"0123456789" * 10_000
EXCEPTIONS = "gunicorn_http_exceptions_total"
RECEIVED, SENT = "gunicorn_http_request_size_bytes_sum", "gunicorn_http_response_size_bytes_sum"


def form(name: str, content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_the_shelf(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """Upload, list, download, report, delete, and both kinds of error."""
    server = gunicorn(APP, worker_class="sync", workers=2, env={"SHELF": str(tmp_path)})
    upload = form("digits.txt", FILE)
    answers = [
        server.get("/files", "POST", upload, Content_Type=f"multipart/form-data; boundary={BOUNDARY}"),
        server.get("/"),
        server.get("/files/digits.txt"),
        server.get("/report?lines=500"),
        server.get("/api/files/digits.txt"),
        server.get("/files/nothing.txt"),
        server.get("/api/files/nothing.txt"),
        server.get("/files", "POST", b""),
        server.get("/broken"),
        server.get("/no/such/page"),
        server.get("/api/files/digits.txt", "DELETE"),
        server.get("/api/files"),
    ]
    assert [answer.status for answer in answers] == [302, 200, 200, 200, 200, 404, 404, 400, 500, 404, 204, 200]
    assert b"digits.txt" in answers[1].body
    assert answers[2].body == FILE
    assert answers[3].body == b"name,bytes\n" + b"digits.txt,100000\n" * 500
    assert answers[-1].body == b"{}\n"

    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == len(answers))
    assert seen.value(RECEIVED, endpoint="/files", method="POST") == len(upload)
    assert seen.value(SENT, endpoint="/files/<name>") == len(FILE) + len(answers[5].body)
    assert seen.value(SENT, endpoint="/report") == len(answers[3].body)
    found = {
        (sample.labels["endpoint"], sample.labels["error_type"], sample.labels["handled"]): sample.value
        for sample in seen.samples(EXCEPTIONS)
    }
    assert found == {
        ("/files/<name>", "NoSuchFile", "true"): 1,
        ("/api/files/<name>", "NoSuchFile", "true"): 1,
        ("/files", "BadRequest", "true"): 1,
        ("/broken", "ZeroDivisionError", "false"): 1,
    }


@pytest.mark.parametrize("name", ["flask_app", "plain_wsgi"])
def test_its_configuration_is_all_it_needs(name: str) -> None:
    """``gunicorn app:app`` in its directory has our worker class."""
    settings: dict[str, object] = {}
    exec((APP.parent / name / "gunicorn.conf.py").read_text(), settings)
    assert settings["worker_class"] == "gunicorn_prometheus_exporter.PrometheusWorker"


def test_plain_wsgi(gunicorn: Callable[..., Gunicorn]) -> None:
    """Without a bridge every request is under one endpoint, and what escapes is counted all the same."""
    server = gunicorn(APP.parent / "plain_wsgi", worker_class="sync")
    answers = [
        server.get("/"),
        server.get("/echo", "POST", b"say it again"),
        server.get("/numbers"),
        server.get("/broken"),
        server.get("/nowhere"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 500, 404]
    assert answers[1].body == b"say it again"
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == len(answers))
    assert {sample.labels["endpoint"] for sample in seen.samples("gunicorn_http_requests_total")} == {"__unrouted__"}
    assert seen.value(RECEIVED, method="POST") == len(b"say it again")
    assert seen.value(EXCEPTIONS, error_type="JSONDecodeError", handled="false", source="wsgi") == 1
