"""The example application, driven as a visitor would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import IMPORT_ROOTS, ROOT, Gunicorn

EXAMPLE = ROOT / "example_apps" / "django_app"
REQUESTS = "gunicorn_http_requests_total"


def test_example(gunicorn: Callable[..., Gunicorn], tmp_path: Path) -> None:
    """Upload, download, report, API and errors are where its README says they are."""
    conf = (EXAMPLE / "gunicorn.conf.py").read_text()
    server = gunicorn(EXAMPLE, target="shelf.wsgi", workers=2, conf=conf, env={"SHELF": str(tmp_path)})
    notes = b"0123456789" * 10_000

    page = server.get("/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert token is not None
    upload, content_type = multipart(token[1], "notes.txt", notes)
    headers = {"Content_Type": content_type, "Cookie": page.headers["set-cookie"].partition(";")[0]}
    assert server.get("/files", "POST", upload, **headers).status == 302
    assert b"notes.txt" in server.get("/").body
    assert server.get("/files/notes.txt").body == notes
    report = server.get("/report?lines=100").body
    assert report.count(b"notes.txt,100000") == 100
    assert server.get("/api/files/notes.txt").body == b'{"name": "notes.txt", "bytes": 100000}'
    assert b'"notes.txt": 100000' in server.get("/api/files").body
    assert server.get("/api/files/notes.txt", "DELETE").status == 204
    missing = server.get("/files/nothing.txt")
    assert (missing.status, b"<h1>Sorry</h1>" in missing.body) == (404, True)
    assert server.get("/broken").status == 500
    assert server.get("/no/such/page").status == 404
    assert server.get("/files", "POST", b"").status == 403

    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 12)
    requests = seen.samples(REQUESTS)
    assert {(s.labels["method"], s.labels["endpoint"], s.labels["status"]): s.value for s in requests} == {
        ("GET", "/", "200"): 2,
        ("POST", "/files", "302"): 1,
        ("POST", "/files", "403"): 1,
        ("GET", "/files/<name>", "200"): 1,
        ("GET", "/files/<name>", "404"): 1,
        ("GET", "/report", "200"): 1,
        ("GET", "/api/files/<name>", "200"): 1,
        ("GET", "/api/files", "200"): 1,
        ("DELETE", "/api/files/<name>", "204"): 1,
        ("GET", "/broken", "500"): 1,
        ("GET", "__unmatched__", "404"): 1,
    }
    assert seen.value("gunicorn_http_request_size_bytes_sum", endpoint="/files") == len(upload)
    sizes = "gunicorn_http_response_size_bytes_sum"
    assert seen.value(sizes, endpoint="/files/<name>") == len(notes) + len(missing.body)
    assert seen.value(sizes, endpoint="/report") == len(report)
    exceptions = seen.samples("gunicorn_http_exceptions_total")
    assert {(s.labels["endpoint"], s.labels["error_type"], s.labels["handled"]): s.value for s in exceptions} == {
        ("/files/<name>", "NoSuchFile", "true"): 1,
        ("/broken", "ZeroDivisionError", "false"): 1,
    }


def test_checks() -> None:
    """``manage.py check`` has nothing to say."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
    command = [sys.executable, "manage.py", "check", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def multipart(token: bytes, name: str, content: bytes) -> tuple[bytes, str]:
    """The body of the upload form, and its media type."""
    parts = [
        b'--boundary\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n' + token,
        f'--boundary\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content,
        b"--boundary--\r\n",
    ]
    return b"\r\n".join(parts), "multipart/form-data; boundary=boundary"
