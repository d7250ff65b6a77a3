"""The page before what really runs: a Gunicorn, and an exporter for several of them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from signal import SIGKILL

import pytest

from tests.e2e.harness import Gunicorn, wait_until
from tests.redis.exporter import Exporter
from tests.status.browsing import Visit

START = Callable[..., Gunicorn]
OPEN = Callable[..., Visit]
APP = """
    from gunicorn_prometheus_exporter.note import note_of

    def app(environ, start_response):
        note_of(environ).endpoint(environ["PATH_INFO"])
        environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("a bug")
        start_response("404 Not Found" if environ["PATH_INFO"] == "/missing" else "200 OK", [])
        return [b"x" * 300]
"""


def status_of(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_shows_what_the_client_did(gunicorn: START, visit: OPEN) -> None:
    """Every number of the table is the client's own, while it happens; and the first line says what is wrong."""
    server = gunicorn(APP, workers=2)
    server.get("/a")
    seen = visit(server.metrics_port, is_live=True)
    seen.shows("#headline", "Healthy")
    seen.shows("#configured", "2 alive, 2 configured")
    for _ in range(30):
        server.get("/a")
    for _ in range(5):
        assert server.get("/missing", method="POST", body=b"y" * 20).status == 404
    wait_until(lambda: seen.endpoints().get("GET /a", {}).get("Requests") == "30", 20)
    wait_until(lambda: seen.endpoints().get("POST /missing", {}).get("Requests") == "5", 20)
    row = seen.endpoints()["POST /missing"]
    assert (row["4xx"], row["5xx"], row["Received"], row["Sent"]) == ("5", "0", "100", "1500")
    seen.page.get_by_text("Since start").click()
    wait_until(lambda: seen.endpoints()["GET /a"]["Requests"] == "31")

    for _ in range(10):
        assert server.get("/broken").status == 500
    seen.shows("#headline", re.compile(r"^\d\d % of requests fail, mostly GET /broken$"))
    seen.shows("#failures tr", re.compile("RuntimeError.*GET /broken.*10"))
    server.kill_worker(server.worker_pids()[0], SIGKILL)
    seen.shows("#problems", re.compile("A worker was killed by somebody else than Gunicorn"))


def test_of_an_exporter_by_itself(gunicorn: START, visit: OPEN) -> None:
    """``serve`` has the page as well."""
    server = gunicorn(APP, workers=1)
    server.get("/a")
    server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 1)
    exporter = Exporter({"PROMETHEUS_MULTIPROC_DIR": str(server.directory)})
    try:
        seen = visit(exporter.port)
        seen.shows("#headline", "Healthy")
        seen.page.get_by_text("Since start").click()
        wait_until(lambda: seen.endpoints().get("GET /a", {}).get("Requests") == "1", 20)
        seen.end()
    finally:
        exporter.stop()


@pytest.mark.setting("status_page")
@pytest.mark.parametrize("by", ["environment", "YAML"])
def test_it_can_be_turned_off(gunicorn: START, by: str) -> None:
    """Then there is nothing at that path; and without a word it is there."""
    conf = (
        'from gunicorn_prometheus_exporter import load_yaml_config; load_yaml_config("off.yml")' if by == "YAML" else ""
    )
    files = {"off.yml": "exporter: {prometheus: {status_page: false}}"}
    env = {} if by == "YAML" else {"PROMETHEUS_STATUS_PAGE": "false"}
    assert status_of(gunicorn(APP, conf=conf, files=files, env=env).metrics_port) == 404
    if by == "environment":
        assert status_of(gunicorn(APP).metrics_port) == 200
