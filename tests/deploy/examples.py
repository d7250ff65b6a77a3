"""Reads what the examples in deploy/ give to their containers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
import yaml

from tests.e2e.harness import ROOT

DEPLOY = ROOT / "deploy"


class Container(NamedTuple):
    """``arguments`` are those of the image's entry point."""

    example: str
    name: str
    environment: dict[str, str]
    arguments: list[str]


def containers() -> Iterator[Container]:
    """Every container of every example."""
    yield from _of_terraform(DEPLOY / "terraform" / "ecs-fargate" / "main.tf")
    service = yaml.safe_load((DEPLOY / "cloud-run" / "service.yaml").read_text())
    for one in service["spec"]["template"]["spec"]["containers"]:
        yield Container("cloud-run", one["name"], _variables(one.get("env", [])), one.get("args", []))
    group = yaml.safe_load((DEPLOY / "azure" / "container-group.yaml").read_text())
    for one in group["properties"]["containers"]:
        given = _variables(one["properties"].get("environmentVariables", []))
        yield Container("azure", one["name"], given, one["properties"].get("command", []))


def _variables(given: list[dict[str, str]]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in given}


def _of_terraform(path: Path) -> Iterator[Container]:
    """The definitions are an expression inside of Terraform: a value of its own for the parser."""
    text = path.read_text()
    directory = re.search(r'metrics_directory\s*=\s*"([^"]+)"', text)
    definitions = re.search(r"container_definitions = jsonencode\((\[.*?\n  \])\)", text, flags=re.DOTALL)
    assert directory is not None
    assert definitions is not None
    parsed: Any = hcl2.load(io.StringIO(f"definitions = {definitions[1]}\n"))
    for one in parsed["definitions"]:
        plain = {_plain(name): value for name, value in one.items()}
        given = {}
        for variable in plain["environment"]:
            pair = {_plain(name): value for name, value in variable.items()}
            value = directory[1] if "local." in pair["value"] else _plain(pair["value"])
            given[_plain(pair["name"])] = value
        yield Container("ecs-fargate", _plain(plain["name"]), given, list(map(_plain, plain.get("command", []))))


def _plain(text: str) -> str:
    # Newer versions of the parser keep the quotation marks.
    return text.strip('"')
