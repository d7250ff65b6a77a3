"""Fixtures of the end-to-end tests: `gunicorn` starts one, `worker_class` goes through all there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.e2e.exposition import check
from tests.e2e.harness import WORKER_CLASSES, Gunicorn

GUNICORN_MAJOR = int(version("gunicorn").split(".")[0])
# Gunicorn 26 removed its eventlet worker.
AVAILABLE = [name for name in WORKER_CLASSES if name != "eventlet" or GUNICORN_MAJOR < 26]


STARTED = pytest.StashKey[list[Gunicorn]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of every gunicorn that a failed test started."""
    report = yield
    if report.failed:
        report.sections += [(f"log of gunicorn {server.pid}", server.log()) for server in item.stash.get(STARTED, [])]
    return report


@pytest.fixture(params=AVAILABLE)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each worker class of the Gunicorn at hand."""
    return str(request.param)


@pytest.fixture
def gunicorn(request: pytest.FixtureRequest, promtool: Path) -> Iterator[Callable[..., Gunicorn]]:
    """Starts a gunicorn: see `tests.e2e.harness.Gunicorn`. At the end it is stopped and what was scraped is checked."""
    running = request.node.stash.setdefault(STARTED, [])

    def start(*args: object, **options: object) -> Gunicorn:
        server = Gunicorn(*args, **options)  # type: ignore[arg-type]
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
    expositions = [exposition for server in running for exposition in server.expositions]
    for server in running:
        server.remove()
    check(expositions, promtool)
