"""The Helm chart, rendered with different values."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

import yaml

from scripts.provision import tool
from tests.e2e.harness import ROOT
from tests.operations.manifests import Manifest

CHART: Final = ROOT / "charts" / "gunicorn-prometheus-exporter"
_OPERATOR: Final = ["monitor.enabled=true", "rules.enabled=true", "dashboard.enabled=true"]
# By name: the values of each rendering that the tests look at.
VARIANTS: Final[dict[str, list[str]]] = {
    "endpoint": ["mode=endpoint"],
    "everything": ["autoscaling.enabled=true", "app.probePath=/healthz", "imagePullSecrets[0].name=pull", *_OPERATOR],
    "daemonset": ["mode=daemonset", *_OPERATOR],
    "fleet": ["mode=fleet", "redis.existingSecret=mine"],
    "foreign-redis": ["mode=fleet", "redis.deploy=false", "redis.host=redis.example"],
}


def render(values: Sequence[str]) -> list[Manifest]:
    """The objects of the release `web`. Raises AssertionError with what Helm says where it refuses the values."""
    said = run("template", "web", str(CHART), *(part for value in values for part in ("--set", value)))
    assert said.returncode == 0, said.stderr
    return [one for one in yaml.safe_load_all(said.stdout) if one is not None]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(tool("helm")), *arguments], capture_output=True, text=True, check=False)
