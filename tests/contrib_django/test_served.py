"""The table again, by a real gunicorn; and what other servers make of the bridge."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.contrib_django.rows import PROJECT, ROWS, Row
from tests.e2e.client import Connection
from tests.e2e.conftest import ASGI_AVAILABLE, GUNICORN_MAJOR
from tests.e2e.harness import IMPORT_ROOTS, ROOT, Gunicorn, free_port, wait_until

REQUESTS = "gunicorn_http_requests_total"
EXCEPTIONS = "gunicorn_http_exceptions_total"
WSGI = f"{PROJECT}.wsgi:application"
ASGI = f"{PROJECT}.asgi:application"

# Gunicorn 25's asgi worker may tell Django at once that the client has gone, and Django then answers 500.
ASGI_WORKER_CLASSES = [name for name in ASGI_AVAILABLE if name != "asgi" or GUNICORN_MAJOR > 25]
# SystemExit ends the worker, not only the request.
SERVED = [row for name, row in ROWS.items() if name != "SystemExit"]
SETTINGS = sorted({json.dumps(dict(row.settings)) for row in SERVED})
# What the settings change is Django's, and the same for every server of ASGI.
PAIRS = [
    *itertools.product(["sync", "gthread", ASGI_WORKER_CLASSES[0]], SETTINGS),
    *((name, "{}") for name in ASGI_WORKER_CLASSES[1:]),
]


@pytest.mark.parametrize(("worker_class", "settings"), PAIRS)
def test_rows(gunicorn: Callable[..., Gunicorn], worker_class: str, settings: str) -> None:
    """Each row's request is counted under its status and endpoint, and its exceptions by class and verdict."""
    target = ASGI if worker_class in ASGI_WORKER_CLASSES else WSGI
    server = gunicorn(ROOT, target=target, worker_class=worker_class, env={"PROJECT_SETTINGS": settings})
    requests: Counter[tuple[str, ...]] = Counter()
    exceptions: Counter[tuple[str, ...]] = Counter()
    rows = [row for row in SERVED if json.dumps(dict(row.settings)) == settings]
    for row in rows:
        status = visit(server, row)
        # An exception that escapes after the status was sent cannot change it.
        assert status == (row.status or (200 if row.path == "/stream-fails/" else 500)), row
        requests[row.method, row.endpoint, str(status)] += 1
        for error in row.exceptions:
            exceptions[(row.method, row.endpoint, *error, _source(row, target))] += 1
    seen = server.scrape_until(lambda e: e.total(REQUESTS) >= len(rows))
    labels = ["method", "endpoint", "status"]
    assert {tuple(s.labels[name] for name in labels): s.value for s in seen.samples(REQUESTS)} == requests
    labels = ["method", "endpoint", "error_type", "handled", "source"]
    assert {tuple(s.labels[name] for name in labels): s.value for s in seen.samples(EXCEPTIONS)} == exceptions
    assert seen.total("gunicorn_exporter_errors_total") == 0


def _source(row: Row, target: str) -> str:
    return "asgi" if row.source == "wsgi" and target == ASGI else row.source


def visit(server: Gunicorn, row: Row) -> int:
    """The status of the response to the row's request, which may be cut short."""
    host = row.headers.get("HTTP_HOST", "localhost")
    head = [
        f"{row.method} {row.path} HTTP/1.1",
        f"Host: {host}",
        "Connection: close",
        f"Content-Type: {row.headers.get('content_type', 'application/octet-stream')}",
        f"Content-Length: {len(row.body)}",
    ]
    with Connection(server.port) as connection:
        connection.send("\r\n".join([*head, "", ""]).encode() + row.body)
        # Gunicorn's asgi worker holds a status back until there is a body, which here never comes.
        return int(connection.read_all()[9:12] or 200)


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_file_is_sent_with_sendfile(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """Gunicorn counts nothing of what it sends with sendfile; the exporter counts all of it."""
    conf = """
    def post_request(worker, req, environ, resp):
        print(f"gunicorn sent {resp.sent} of {environ['PATH_INFO']}", flush=True)
    """
    server = gunicorn(ROOT, target=WSGI, worker_class=worker_class, conf=conf)
    assert len(server.get("/file/").body) == 300_000
    assert len(server.get("/stream/").body) == 5000
    server.wait_logged("gunicorn sent 0 of /file/")
    server.wait_logged("gunicorn sent 5000 of /stream/")
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 2)
    assert seen.value("gunicorn_http_response_size_bytes_sum", endpoint="/file/") == 300_000


def test_script_name_from_a_client(gunicorn: Callable[..., Gunicorn]) -> None:
    """Gunicorn takes SCRIPT_NAME from a header of a trusted peer (22 drops it): it moves the path, and no endpoint."""
    status, endpoint = (200, "/ok/") if GUNICORN_MAJOR > 22 else (404, "__unmatched__")
    server = gunicorn(ROOT, target=WSGI)
    with server.connect() as connection:
        connection.send(b"GET /evil/ok/ HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /evil\r\nConnection: close\r\n\r\n")
        assert int(connection.read_all()[9:12]) == status
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 1)
    assert seen.label_values(REQUESTS, "endpoint") == {endpoint}


def test_timeout_names_the_endpoint(gunicorn: Callable[..., Gunicorn]) -> None:
    """A view that hangs is counted under its route, though it never came back."""
    server = gunicorn(ROOT, target=WSGI, args=["--timeout", "1"])
    with server.connect() as connection:
        connection.send_head("GET", "/hangs/7/")
        connection.read_all()
    server.scrape_until(lambda e: e.total(REQUESTS, endpoint="/hangs/<int:pk>/") == 1)


def test_runserver() -> None:
    """Django's own server serves as ever, and its checks are content."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*IMPORT_ROOTS, str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: _listens(port), 30)
            statuses = []
            for path in ("/ok/", "/fail/Http404/", "/fail/ValueError/", "/nope/"):
                with Connection(port) as connection:
                    statuses.append(connection.request("GET", path, headers={"Connection": "close"}).status)
        finally:
            process.terminate()
        output = process.stdout.read().decode() if process.stdout else ""
    assert statuses == [200, 404, 500, 404]
    assert "System check identified no issues" in output


def _listens(port: int) -> bool:
    try:
        Connection(port).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("worker_class", ASGI_WORKER_CLASSES)
def test_asynchronous_django_under_a_mount(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """Mounted in a Starlette application, Django's endpoints begin where the mount is."""
    app = f"""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from {PROJECT}.asgi import application

    app = Starlette(routes=[Mount("/{{shop}}", application)])
    """
    server = gunicorn(app, worker_class=worker_class, args=["--pythonpath", str(ROOT)])
    for path, status in (("/one/async/", 200), ("/two/fail/Http404/", 404), ("/two/no/such/", 404)):
        assert server.get(path).status == status
    seen = server.scrape_until(lambda e: e.total(REQUESTS) == 3)
    assert seen.label_values(REQUESTS, "endpoint") == {"/{shop}/async/", "/{shop}/fail/<error>/", "__unmatched__"}
    assert seen.value(EXCEPTIONS, endpoint="/{shop}/fail/<error>/", error_type="Http404", source="django") == 1
