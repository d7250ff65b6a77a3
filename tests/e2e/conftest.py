"""Fixtures of the end-to-end tests: `gunicorn` starts one, `worker_class` goes through all there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.e2e.exposition import lint
from tests.e2e.harness import ASGI_WORKER_CLASSES, WORKER_CLASSES, Gunicorn
from tests.e2e.site import Site

GUNICORN_MAJOR = int(version("gunicorn").split(".")[0])
# Gunicorn 26 removed its eventlet worker.
AVAILABLE = [name for name in WORKER_CLASSES if name != "eventlet" or GUNICORN_MAJOR < 26]
# Gunicorn 25 brought its asgi worker.
ASGI_AVAILABLE = [name for name in ASGI_WORKER_CLASSES if name != "asgi" or GUNICORN_MAJOR >= 25]

STARTED = pytest.StashKey[list[Gunicorn]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of every gunicorn that a failed test used."""
    report = yield
    if report.failed:
        shared = [value.server for value in getattr(item, "funcargs", {}).values() if isinstance(value, Site)]
        for server in [*item.stash.get(STARTED, []), *shared]:
            report.sections.append((f"log of gunicorn {server.pid}", server.log()))
    return report


@pytest.fixture(params=AVAILABLE)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each worker class of the Gunicorn at hand."""
    return str(request.param)


@pytest.fixture(params=ASGI_AVAILABLE)
def asgi_worker_class(request: pytest.FixtureRequest) -> str:
    """Each worker class for ASGI applications of the Gunicorn at hand."""
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
    finish(running, promtool)


@pytest.fixture(scope="module", params=AVAILABLE)
def site(request: pytest.FixtureRequest, promtool: Path) -> Iterator[Site]:
    """One worker of each class with the traffic application, shared by the tests of a module."""
    app = Path(__file__).with_name("traffic_app.py")
    server = Gunicorn(app, worker_class=request.param, args=["--threads", "4", "--keep-alive", "5"])
    yield Site(server, request.param)
    finish([server], promtool)


def finish(servers: list[Gunicorn], promtool: Path) -> None:
    for server in servers:
        server.remove()
    for server in servers:
        if server.largest:
            lint(server.largest, promtool)
