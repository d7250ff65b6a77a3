"""A gunicorn with a framework's site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.contract import DOWNLOAD, Framework
from tests.bridges.frameworks import FRAMEWORKS, STARLETTE
from tests.e2e.conftest import finish
from tests.e2e.conftest import gunicorn as gunicorn
from tests.e2e.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.e2e.conftest import worker_class as worker_class
from tests.e2e.harness import Gunicorn


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework that has a bridge."""
    chosen: Framework = request.param
    return chosen


@pytest.fixture
def serve(gunicorn: Callable[..., Gunicorn]) -> Callable[..., Gunicorn]:
    """Starts a gunicorn with a framework's site: ``serve(framework, worker_class)``."""

    def start(framework: Framework, worker_class: str) -> Gunicorn:
        return gunicorn(**_served(framework, worker_class))

    return start


# What Starlette does is in what FastAPI does.
@pytest.fixture(
    scope="module",
    params=[framework for framework in FRAMEWORKS if framework is not STARLETTE],
    ids=lambda framework: framework.name,
)
def shared(request: pytest.FixtureRequest, promtool: Path) -> Iterator[tuple[Framework, Gunicorn]]:
    """A framework and one gunicorn with its site, for all tests of a module."""
    framework: Framework = request.param
    server = Gunicorn(**_served(framework, framework.worker_classes[0]))
    yield framework, server
    finish([server], promtool)


def _served(framework: Framework, worker_class: str) -> dict[str, Any]:
    return {
        "app": framework.site,
        "worker_class": worker_class,
        "workers": 2,
        "args": ["--threads", "4"] if worker_class == "gthread" else [],
        "files": {"ledger.py": Path(__file__).with_name("ledger.py").read_text(), "download.txt": DOWNLOAD},
    }
