from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environment

REPORTS = "import sys; print(sys.prefix)"


def make_without_pip(directory: Path, interpreter: str) -> None:
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(directory)], check=True)


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been installed: pip is neither put in nor run."""
    seen: list[list[str]] = []
    monkeypatch.setattr(environment, "_make", make_without_pip)
    monkeypatch.setattr(environment, "_install", lambda python, requirements: seen.append(requirements))
    return seen


def test_an_environment_has_its_own_pip(tmp_path: Path) -> None:
    python = environment.ensure(tmp_path / "a b" / "venv", ["--quiet", "pip"])
    assert subprocess.check_output([python, "-c", REPORTS], text=True).strip() == str(tmp_path / "a b" / "venv")


def test_an_environment_is_made_once(tmp_path: Path, installs: list[list[str]]) -> None:
    for _ in range(2):
        environment.ensure(tmp_path / "venv", ["thing"])
    assert installs == [["thing"]]


def test_other_requirements_make_it_anew(tmp_path: Path, installs: list[list[str]]) -> None:
    environment.ensure(tmp_path / "venv", ["thing"])
    environment.ensure(tmp_path / "venv", ["thing", "more"])
    assert installs == [["thing"], ["thing", "more"]]


def test_a_changed_pyproject_makes_it_anew(
    tmp_path: Path, installs: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    for text in ("[project]", "[project] # changed"):
        (tmp_path / "pyproject.toml").write_text(text)
        environment.ensure(tmp_path / "venv", ["--editable", "."])
        environment.ensure(tmp_path / "without the project", ["thing"])
    assert installs == [["--editable", "."], ["thing"], ["--editable", "."]]


def test_a_failed_install_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_make", make_without_pip)
    for _ in range(2):
        with pytest.raises(environment.EnvironmentFailure, match=r"could not install thing(?s:.*)No module named pip"):
            environment.ensure(tmp_path / "venv", ["thing"])


def test_a_python_without_ensurepip_is_explained(tmp_path: Path) -> None:
    crippled = tmp_path / "python3"
    crippled.write_text("#!/bin/sh\nexit 1\n")
    crippled.chmod(0o755)
    with pytest.raises(environment.EnvironmentFailure, match="python3-venv"):
        environment.ensure(tmp_path / "venv", [], interpreter=str(crippled))
    assert not (tmp_path / "venv").exists()


def test_an_interpreter_that_is_too_old_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "MINIMUM", (99, 0))
    assert environment.main([".venv", ".[dev]"]) == 1
    assert sys.executable in capsys.readouterr().err
