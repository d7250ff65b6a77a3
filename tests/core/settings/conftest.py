"""Each test has a process of its own, as far as loaded files are concerned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from gunicorn_prometheus_exporter.settings import reading


@pytest.fixture(autouse=True)
def _nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_loaded", None)


@pytest.fixture
def yaml_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes ``exporter.yml`` into the current directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = Path("exporter.yml")
        path.write_text(dedent(text))
        return path

    return write
