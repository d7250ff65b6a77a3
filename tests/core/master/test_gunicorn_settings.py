"""Workers, timeout and keepalive come from the exporter's settings only where the user's Gunicorn leaves them open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import Chdir

from gunicorn_prometheus_exporter.master.gunicorn_settings import fill_in
from gunicorn_prometheus_exporter.settings import Settings, settings_from
from gunicorn_prometheus_exporter.settings.yaml_file import read_yaml_file

USAGE = "%(prog)s [OPTIONS] [APP_MODULE]"
ENVIRONMENT = {"GUNICORN_WORKERS": "5", "GUNICORN_TIMEOUT": "6", "GUNICORN_KEEPALIVE": "7"}
GIVEN = (5, 6, 7)


@pytest.fixture(autouse=True)
def _start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Gunicorn goes where it was when it was imported.
    monkeypatch.setattr(Chdir, "default", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["gunicorn", "app:app"])
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    monkeypatch.delitem(sys.modules, "__config__", raising=False)


def filled(settings: Settings | None = None) -> tuple[int, int, int]:
    cfg: Any = WSGIApplication(USAGE, prog="gunicorn").cfg
    fill_in(cfg, settings_from(ENVIRONMENT, None) if settings is None else settings)
    return cfg.workers, cfg.timeout, cfg.keepalive


def from_yaml() -> Settings:
    Path("e.yml").write_text("exporter: {gunicorn: {workers: 5, timeout: 6, keepalive: 7}}")
    return settings_from({}, read_yaml_file("e.yml"))


def test_where_nothing_is_given() -> None:
    """By variables, by a file, and not at all."""
    assert filled() == GIVEN
    assert filled(from_yaml()) == GIVEN
    assert filled(Settings()) == (1, 30, 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--workers", "1"], (1, 6, 7)),
        (["-w1", "-t", "30"], (1, 30, 7)),
        (["--timeout=30", "--keep-alive", "2"], (5, 30, 2)),
    ],
)
def test_the_command_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: tuple[int, int, int]
) -> None:
    """It wins, also where it says Gunicorn's own default; and so does GUNICORN_CMD_ARGS."""
    monkeypatch.setattr(sys, "argv", ["gunicorn", *arguments, "app:app"])
    assert filled() == expected
    monkeypatch.setattr(sys, "argv", ["gunicorn", "app:app"])
    monkeypatch.setenv("GUNICORN_CMD_ARGS", " ".join(arguments))
    assert filled() == expected


@pytest.mark.parametrize("where", ["gunicorn.conf.py", "named.py", "python:own_conf", "in GUNICORN_CMD_ARGS"])
def test_the_configuration_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    """It wins too, wherever Gunicorn finds it, also where it says Gunicorn's own default."""
    monkeypatch.delitem(sys.modules, "own_conf", raising=False)
    file = {"python:own_conf": "own_conf.py", "in GUNICORN_CMD_ARGS": "other.py"}.get(where, where)
    (tmp_path / file).write_text("workers = 1\ntimeout = 90\n")
    if where == "in GUNICORN_CMD_ARGS":
        monkeypatch.setenv("GUNICORN_CMD_ARGS", "--config other.py")
    elif where != "gunicorn.conf.py":
        monkeypatch.setattr(sys, "argv", ["gunicorn", "-c", where, "app:app"])
    assert filled() == (1, 90, 7)


def test_web_concurrency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gunicorn's own variable wins over a file, as the environment does, but not over GUNICORN_WORKERS."""
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    assert filled() == GIVEN
    assert filled(from_yaml()) == (1, 6, 7)


def test_a_program_of_its_own() -> None:
    """What such a program sets in its configuration stays, where it is not the default."""
    cfg: Any = WSGIApplication(USAGE, prog="gunicorn").cfg
    cfg.usage = None
    cfg.set("timeout", 120)
    fill_in(cfg, settings_from(ENVIRONMENT, None))
    assert (cfg.workers, cfg.timeout, cfg.keepalive) == (5, 120, 7)
