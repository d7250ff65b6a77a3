"""The dashboard: generated from its source, complete, and about metrics that exist."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from tests.e2e.harness import ROOT
from tests.monitoring.board import BOARD, panels, queries
from tests.monitoring.metric_names import unknown_metrics

ROWS = ["Overview", "Saturation", "Endpoints", "Errors", "Lifecycle", "Master", "Redis"]
PANELS = [pytest.param(panel, id=f"{row}, {panel['title']}") for row, panel in panels()]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's builders need Python 3.11")
def test_the_file_is_what_its_source_says() -> None:
    """`make reference` writes it."""
    said = subprocess.run(
        [sys.executable, "-c", "from monitoring.dashboard.board import as_json; print(as_json(), end='')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == BOARD.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's builders need Python 3.11")
def test_grafanas_model_knows_every_field() -> None:
    """Read by Grafana's own model and written again, nothing is lost."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    assert list(_lost(board, again, "")) == []


def _lost(before: Any, after: Any, path: str) -> Iterator[str]:
    """Where ``after`` lacks something of ``before`` or has another value; what it has besides are defaults."""
    if isinstance(before, dict):
        for key, value in before.items():
            yield from _lost(value, after[key], f"{path}/{key}") if key in after else [f"{path}/{key}"]
    elif isinstance(before, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from _lost(*pair, f"{path}/{number}")
    elif before != after:
        yield path


def test_the_rows() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    assert [panel["title"] for panel in board["panels"] if panel["type"] == "row"] == ROWS
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job", "instance"]


def test_ids_are_unique_and_panels_do_not_overlap() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in board}) == len(board)
    for one, other in combinations([panel["gridPos"] for panel in board], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
        assert one["x"] + one["w"] <= 24


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    unit = panel["fieldConfig"]["defaults"].get("unit")
    units = [p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"]
    assert unit or len(units) == len(panel["targets"])
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert "ALERTS" in target["expr"] or 'job=~"$job",instance=~"$instance"' in target["expr"]


def test_the_metrics_in_the_panels_exist() -> None:
    assert {name for query in queries() for name in unknown_metrics(query.expr, set())} == set()
