"""Fixtures for every test: the servers and tools that pip does not bring.

A missing one fails the test that asks for it: it is never skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.provision import tool

_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of a bridge is one for the matrix, which has the frameworks' versions."""
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0] if item.path.is_relative_to(_TESTS) else ""
        if folder == "bridges" or folder.startswith("contrib_"):
            item.add_marker("matrix")


@pytest.fixture(scope="session")
def redis_server_binary() -> Path:
    """The path of a redis-server executable."""
    return tool("redis-server")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The path of Prometheus' promtool executable."""
    return tool("promtool")


@pytest.fixture(scope="session")
def prometheus_binary() -> Path:
    """The path of the prometheus server executable."""
    return tool("prometheus")
