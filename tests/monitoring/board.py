"""Reads the dashboard as Grafana would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.e2e.harness import ROOT

BOARD = ROOT / "monitoring" / "grafana" / "gunicorn.json"
VARIABLES = {
    "$__rate_interval": "15s",
    "$__interval": "60s",
    "$__range": "60s",
    "$job": ".+",
    "$instance": ".+",
}


class PanelQuery(NamedTuple):
    row: str
    panel: str
    expr: str
    instant: bool


def panels() -> Iterator[tuple[str, Any]]:
    """Each panel with the title of its row."""
    row = ""
    for panel in json.loads(BOARD.read_text())["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            yield row, panel


def queries(**variables: str) -> Iterator[PanelQuery]:
    """Every query of every panel, with values in the place of the variables: ``job`` and so on."""
    values: Mapping[str, str] = {**VARIABLES, **{f"${name}": value for name, value in variables.items()}}
    for row, panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for name, value in values.items():
                expr = expr.replace(name, value)
            assert "$" not in expr, f"an unknown variable in {expr}"
            yield PanelQuery(row, panel["title"], expr, bool(target["instant"]))
