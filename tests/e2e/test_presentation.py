"""How the numbers are shown: with labels that everything has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import finish
from tests.e2e.harness import Gunicorn

APP = """
from prometheus_client import Counter
OWN = Counter("shop_sales", "Help.", ["team"])

def app(environ, start_response):
    OWN.labels("mine").inc()
    status = environ["PATH_INFO"][1:] or "200"
    start_response(f"{status} Status", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.fixture(scope="module")
def server(promtool: Path) -> Iterator[Gunicorn]:
    running = Gunicorn(APP, workers=2, env={"PROMETHEUS_CONSTANT_LABELS": "team=shop,zone=eu-1a"})
    yield running
    finish([running], promtool)


@pytest.mark.setting("constant_labels")
def test_constant_labels(server: Gunicorn) -> None:
    """Every sample has them, the application's too; a label of that name which it has itself wins."""
    server.get()
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") >= 1)
    for family in seen.families.values():
        for sample in family.samples:
            assert sample.labels["zone"] == "eu-1a"
            assert sample.labels["team"] == ("mine" if family.name == "shop_sales" else "shop")
