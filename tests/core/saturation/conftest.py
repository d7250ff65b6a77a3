from __future__ import annotations

from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage.files import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store in a directory of the test's own, whose failures fail the test."""

    def fail(component: str, error: BaseException) -> None:
        raise error

    return FileStore(str(tmp_path), fail, private=False, uid=0, gid=0)
