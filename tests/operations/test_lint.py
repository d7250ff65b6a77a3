"""The files of docker/, k8s/ and charts/ for the eyes of linters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from tests.e2e.harness import ROOT

DOCKER = ROOT / "docker"
COMPOSE = sorted(DOCKER.glob("compose*.yaml"))


def run(name: str, *arguments: str) -> None:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, f"{name} is not installed: make venv"
    said = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_hadolint_finds_nothing() -> None:
    run("hadolint", str(DOCKER / "Dockerfile"))


def test_the_entry_point_is_for_any_shell() -> None:
    """Debian's, which knows nothing but POSIX, and an executable file, as the image takes it."""
    entrypoint = DOCKER / "entrypoint.sh"
    run("sh", "-n", str(entrypoint))
    assert os.access(entrypoint, os.X_OK)


def test_yamllint_finds_nothing() -> None:
    """Flow style and long lines are a matter of taste, and the single files are made by a program."""
    rules = "{line-length: disable, document-start: disable, braces: disable, comments: {min-spaces-from-content: 1}"
    rules += ", indentation: {indent-sequences: consistent}}"
    written = [*DOCKER.rglob("*.y*ml"), *(ROOT / "k8s").rglob("*.yaml"), ROOT / "monitoring" / "kustomization.yaml"]
    chart = [path for path in (ROOT / "charts").glob("*/*.yaml") if path.name in ("Chart.yaml", "values.yaml")]
    run("yamllint", "--strict", "-d", f"{{extends: default, rules: {rules}}}", *map(str, [*written, *chart]))


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_files_are_valid(path: Path) -> None:
    """By the Compose specification: no key that it does not know."""
    text = yaml.safe_dump(yaml.safe_load(path.read_text()))
    compose_spec.PyCompose.from_yaml(text).validate()
    # Could it fail?
    with pytest.raises(Exception, match="read_onyl"):
        compose_spec.PyCompose.from_yaml(text.replace("read_only", "read_onyl")).validate()


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_compose_files_name_is_there(path: Path) -> None:
    """Build targets, mounted files, volumes, and ports only on this machine; every service is locked down."""
    project: dict[str, Any] = yaml.safe_load(path.read_text())
    stages = [line.split()[-1] for line in (DOCKER / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]
    for name, service in project["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        build = service.get("build")
        if build:
            assert build["target"] in stages, name
            assert (DOCKER / build["context"] / build["dockerfile"]).exists(), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in project["volumes"], volume
        for port in service.get("ports", []):
            assert (port["host_ip"] if isinstance(port, dict) else port).startswith("127.0.0.1"), name


def test_each_copied_file_is_in_the_build_context() -> None:
    """.dockerignore leaves nothing out that the Dockerfile copies."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (DOCKER / "Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source
                assert any(Path(source).match(pattern) or _below(source, pattern) for pattern in allowed), source


def _below(source: str, pattern: str) -> bool:
    return source.startswith(f"{pattern}/")
