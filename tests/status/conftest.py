"""A real Chromium, and a server with a page of metrics of a test's own making."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from playwright.sync_api import Browser, sync_playwright

from scripts.provision import tool
from tests.e2e.conftest import gunicorn, pytest_runtest_makereport
from tests.status.browsing import FLAGS, Visit
from tests.status.stand import Stand

__all__ = ["gunicorn", "pytest_runtest_makereport"]

# The fonts that come with matplotlib: a machine without any shows no text, and each other one its own.
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    home = tmp_path_factory.mktemp("chromium")
    fonts = home / "fonts.conf"
    fonts.write_text(FONTS.format(fonts=Path(matplotlib.get_data_path()) / "fonts" / "ttf", cache=home / "cache"))
    environment = {**os.environ, "FONTCONFIG_FILE": str(fonts), "HOME": str(home)}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=tool("chromium"), args=FLAGS, env=environment)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens the status page of a port: see `tests.status.browsing.Visit`. At the end nothing must have gone wrong."""
    visits: list[Visit] = []

    def start(port: int, **options: Any) -> Visit:
        visits.append(Visit(browser, port, **options))
        return visits[-1]

    yield start
    for one in visits:
        one.end()


@pytest.fixture
def stand() -> Iterator[Callable[..., Stand]]:
    """Serves metrics that the test writes: see `tests.status.stand.Stand`."""
    stands: list[Stand] = []

    def start(*args: Any, **options: Any) -> Stand:
        stands.append(Stand(*args, **options))
        return stands[-1]

    yield start
    for one in stands:
        one.close()
