"""A gunicorn with a framework's site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bridges.contract import DOWNLOAD, Framework
from tests.bridges.frameworks import FRAMEWORKS
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
        ledger = Path(__file__).with_name("ledger.py").read_text()
        return gunicorn(
            framework.site,
            worker_class=worker_class,
            workers=2,
            args=["--threads", "4"] if worker_class == "gthread" else [],
            files={"ledger.py": ledger, "download.txt": DOWNLOAD},
        )

    return start
