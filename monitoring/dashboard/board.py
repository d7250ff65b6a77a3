"""The dashboard: its variables, its rows, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from . import endpoints, errors, lifecycle, master, overview, redis, saturation
from .panels import DATASOURCE, PURPLE, TARGET, AnyPanel

ROWS: Final[dict[str, Callable[[], list[AnyPanel]]]] = {
    "Overview": overview.panels,
    "Saturation": saturation.panels,
    "Endpoints": endpoints.panels,
    "Errors": errors.panels,
    "Lifecycle": lifecycle.panels,
    "Master": master.panels,
    "Redis": redis.panels,
}
_ALL: Final = models.VariableOption(selected=True, text="All", value="$__all")


def as_json() -> str:
    """The dashboard as Grafana imports it: the model of Grafana 10.1, which newer ones read as well."""
    board: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(_board().build()))
    for number, panel in enumerate(board["panels"], start=1):
        panel["id"] = number
    # Only Grafana 10 knows these, and nobody needs them: a theme that is forced on the reader, and three equal ids.
    del board["style"]
    for variable in board["templating"]["list"]:
        del variable["id"]
    return json.dumps(board, indent=2, sort_keys=True) + "\n"


def _board() -> builders.Dashboard:
    board = (
        builders.Dashboard("Gunicorn")
        .uid("gunicorn-prometheus-exporter")
        .description("Traffic, saturation, errors and workers of Gunicorn, by gunicorn-prometheus-exporter.")
        .tags(["gunicorn", "python", "wsgi"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("job", "Job", "gunicorn_exporter_series"))
        .with_variable(_choice("instance", "Instance", 'gunicorn_exporter_series{job=~"$job"}'))
        .annotation(
            builders.AnnotationQuery()
            .name("Starts and reloads")
            .datasource(DATASOURCE)
            .enable(True)
            .icon_color(PURPLE)
            .expr(
                f"changes(gunicorn_master_start_time_seconds{{{TARGET}}}[$__interval]) > 0"
                f" or increase(gunicorn_master_reloads_total{{{TARGET}}}[$__interval]) > 0"
            )
        )
    )
    for title, panels in ROWS.items():
        board.with_row(builders.Row(title))
        for panel in panels():
            board.with_panel(panel)
    return board


def _choice(name: str, label: str, series: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": f"label_values({series}, {name})", "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )
