"""Pyramid's table: what every kind of request yields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.bridges.contract import Tally
from tests.contrib_pyramid.conftest import Ask
from tests.contrib_pyramid.rows import ROWS, Row
from tests.contrib_pyramid.site import make_app
from tests.e2e.harness import Gunicorn


@pytest.fixture(scope="module")
def app() -> Any:
    return make_app()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row(ask: Ask, app: Any, row: Row) -> None:
    """Status, endpoint and exceptions, each once."""
    assert ask(app, row.path, row.method) == (row.status, row.endpoint, tuple(sorted(row.exceptions)))


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_on_gunicorn(gunicorn: Callable[..., Gunicorn], worker_class: str) -> None:
    """All of them, several times and mixed, give the same sums on a real server: nothing leaks into the next."""
    site = Path(__file__).with_name("site.py")
    server = gunicorn(site, worker_class=worker_class, args=["--threads", "4"], target="app:make_app()")
    rows = [*ROWS.values()] * 3
    Random(0).shuffle(rows)
    expected: Tally = Tally()
    for row in rows:
        path = row.path.replace("site.py", "app.py")
        assert server.get(path, row.method, Content_Length="0").status == row.status, row
        expected.requests[row.method, row.endpoint, str(row.status)] += 1
        expected.exceptions.update(Counter((row.endpoint, *error) for error in row.exceptions))
    seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") >= len(rows))
    measured = Tally.of_metrics(seen)
    assert measured.requests == expected.requests
    assert measured.exceptions == expected.exceptions
