"""A file is in force for as long as Gunicorn's configuration asks for it, and read again on each reload."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.settings import SettingsError, load_yaml_config, read_settings

WRITE = Callable[[str], Path]
LOAD = "from gunicorn_prometheus_exporter import load_yaml_config\nload_yaml_config('exporter.yml')\n"


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Executes a configuration file as Gunicorn does, each time as a new module."""
    monkeypatch.setitem(sys.modules, "__config__", None)
    monkeypatch.syspath_prepend(tmp_path)

    def run(text: str) -> None:
        path = tmp_path / "gunicorn.conf.py"
        path.write_text(text)
        spec = spec_from_file_location("__config__", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["__config__"] = module_from_spec(spec)
        spec.loader.exec_module(module)

    return run


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes a module that configurations import."""
    monkeypatch.delitem(sys.modules, "common_conf", raising=False)

    def write(text: str) -> None:
        (tmp_path / "common_conf.py").write_text(text)

    return write


def port() -> int:
    return read_settings({}).metrics_port


def test_a_file_that_is_no_longer_loaded(execute: Callable[[str], None], yaml_file: WRITE) -> None:
    """Its settings are gone with the line that loaded it."""
    yaml_file("exporter: {prometheus: {metrics_port: 9100}}")
    execute(LOAD)
    assert port() == 9100
    execute("workers = 2")
    assert port() == 9091
    execute(LOAD)
    assert port() == 9100


def test_a_file_that_an_imported_module_loads(
    execute: Callable[[str], None], common: Callable[[str], None], yaml_file: WRITE
) -> None:
    """A module is executed only once, but the file stays in force and is read again."""
    yaml_file("exporter: {prometheus: {metrics_port: 9100}}")
    common(LOAD)
    execute("import common_conf")
    yaml_file("exporter: {prometheus: {metrics_port: 9101}}")
    execute("import common_conf")
    assert port() == 9100
    assert read_settings({}, again=True).metrics_port == 9101
    assert port() == 9101


def test_a_function_of_another_module(
    execute: Callable[[str], None], common: Callable[[str], None], yaml_file: WRITE
) -> None:
    """It is the configuration that calls it, or calls it no longer."""
    yaml_file("exporter: {prometheus: {metrics_port: 9100}}")
    common("def load():\n    from gunicorn_prometheus_exporter import load_yaml_config as l\n    l('exporter.yml')\n")
    execute("import common_conf; common_conf.load()")
    assert port() == 9100
    execute("import common_conf")
    assert port() == 9091


def test_the_last_file_counts(yaml_file: WRITE, tmp_path: Path) -> None:
    """Files are not merged."""
    (tmp_path / "other.yml").write_text("exporter: {sidecar_mode: true}")
    load_yaml_config(yaml_file("exporter: {prometheus: {metrics_port: 9100}}"))
    load_yaml_config("other.yml")
    settings = read_settings({})
    assert (settings.metrics_port, settings.sidecar_mode) == (9091, True)


def test_a_relative_path(yaml_file: WRITE, tmp_path: Path) -> None:
    """It is relative to where it was first looked for."""
    load_yaml_config(yaml_file("exporter: {prometheus: {metrics_port: 9100}}"))
    os.chdir("/")
    assert read_settings({}, again=True).metrics_port == 9100
    assert read_settings({}).places["metrics_port"].where == f"{tmp_path}/exporter.yml:1"


def test_a_bad_file(execute: Callable[[str], None], yaml_file: WRITE) -> None:
    """Elsewhere an exception; in Gunicorn's configuration, which would print a traceback for it, the end."""
    yaml_file("exporter: {colour: blue}")
    with pytest.raises(SettingsError, match=r"exporter\.colour"):
        load_yaml_config("exporter.yml")
    with pytest.raises(SystemExit, match=r"Error: .* cannot use its settings:\n.*exporter\.colour"):
        execute(LOAD)
    assert port() == 9091


def test_a_file_that_became_bad(yaml_file: WRITE) -> None:
    """Read again, it says so, and again, until it is repaired."""
    load_yaml_config(yaml_file("exporter: {sidecar_mode: true}"))
    yaml_file("exporter: {sidecar_mode: perhaps}")
    for _ in range(2):
        with pytest.raises(SettingsError, match="perhaps"):
            read_settings({}, again=True)
    yaml_file("exporter: {sidecar_mode: true}")
    assert read_settings({}, again=True).sidecar_mode
