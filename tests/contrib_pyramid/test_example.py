"""The example application, started as its README says, and used as its page invites to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import ROOT, Gunicorn

APP = ROOT / "example_apps" / "pyramid_app"
BOUNDARY = "boundary"
FILE = b"0123456789" * 10_000
EXCEPTIONS = "gunicorn_http_exceptions_total"
RECEIVED, SENT = "gunicorn_http_request_size_bytes_sum", "gunicorn_http_response_size_bytes_sum"
FORM = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(name: str, content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_the_shelf(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """Upload, list, download, report, delete, and both kinds of error."""
    shelf = tmp_path / "shelf"
    server = gunicorn(APP, worker_class="sync", workers=2, env={"SHELF": str(shelf)})
    uploads = [form("digits.txt", FILE), form("../../<b>.txt", b""), form("", b"")]
    answers = [
        *(server.get("/files", "POST", upload, **FORM) for upload in uploads),
        server.get("/"),
        server.get("/files/digits.txt"),
        server.get("/report?lines=500"),
        server.get("/api/files/digits.txt"),
        server.get("/files/nothing.txt"),
        server.get("/files/..%2Fshelf"),
        server.get("/api/files/nothing.txt"),
        server.get("/files", "POST", b""),
        server.get("/broken"),
        server.get("/no/such/page"),
        server.get("/files"),
        server.get("/api/files/digits.txt", "DELETE"),
        server.get("/api/files"),
    ]
    statuses = [302, 302, 400, 200, 200, 200, 200, 404, 404, 404, 400, 500, 404, 404, 204, 200]
    assert [answer.status for answer in answers] == statuses
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["<b>.txt"]
    assert b"digits.txt</a>" in answers[3].body
    assert b"<b>" not in answers[3].body
    assert answers[4].body == FILE
    assert answers[5].body == b"name,bytes\n" + b"<b>.txt,0\n" * 500 + b"digits.txt,100000\n" * 500
    assert b"There is no file nothing.txt." in answers[7].body
    assert answers[-1].body == b'{"<b>.txt": 0}'

    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == len(answers))
    assert seen.value(RECEIVED, endpoint="/files", method="POST") == sum(map(len, uploads))
    assert seen.value(SENT, endpoint="/files/{name}") == len(FILE) + len(answers[7].body)
    assert seen.value(SENT, endpoint="/report") == len(answers[5].body)
    found = {
        (sample.labels["endpoint"], sample.labels["error_type"], sample.labels["handled"]): sample.value
        for sample in seen.samples(EXCEPTIONS)
    }
    assert found == {
        ("/files/{name}", "NoSuchFile", "true"): 1,
        ("/api/files/{name}", "NoSuchFile", "true"): 1,
        ("/files", "HTTPBadRequest", "true"): 2,
        ("/broken", "ZeroDivisionError", "false"): 1,
    }


def test_its_configuration_is_all_it_needs() -> None:
    """``gunicorn app:app`` in its directory has our worker class."""
    settings: dict[str, object] = {}
    exec((APP / "gunicorn.conf.py").read_text(), settings)
    assert settings["worker_class"] == "gunicorn_prometheus_exporter.PrometheusWorker"
