"""The kinds of panels this dashboard is made of, on top of Grafana's own builders.

A query is written as PromQL in which ``$target`` stands for the matchers of the dashboard's variables:
``gunicorn_workers{$target}``. Legends are Grafana's: ``{{instance}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TARGET: Final = 'job=~"$job",instance=~"$instance"'
GREEN, YELLOW, RED, BLUE, PURPLE = "green", "#EAB839", "red", "blue", "purple"

AnyPanel = stat.Panel | timeseries.Panel | table.Panel


class Query(NamedTuple):
    """PromQL, and how its series are called. ``color`` is for a query of one series."""

    expr: str
    legend: str = ""
    color: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """How values are shown. ``warn`` and ``bad`` are thresholds; ``bad`` may be below ``warn``: then low is bad."""

    unit: str = "short"
    warn: float | None = None
    bad: float | None = None
    least: float | None = 0
    most: float | None = None
    stacked: bool = False
    bars: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    """For a number: the text to show for a value."""


def number(title: str, description: str, query: str, look: Look, *, width: int = 3) -> stat.Panel:
    """One number, the current one, with a spark line."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(4)
        .unit(look.unit)
        .thresholds(_thresholds(look))
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("none")
        .with_target(_query(0, Query(query)))
    )
    if look.names:
        texts = {value: models.ValueMappingResult(text=text) for value, text in look.names.items()}
        panel.mappings([models.ValueMap(options=texts)])
    return panel


def graph(title: str, description: str, look: Look, *queries: Query, width: int = 8) -> timeseries.Panel:
    """Series over time, with the last and the largest value of each in the legend."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(8)
        .unit(look.unit)
        .line_width(1)
        .fill_opacity(80 if look.bars else 10)
        .show_points(common.VisibilityMode.NEVER)
        .draw_style(common.GraphDrawStyle.BARS if look.bars else common.GraphDrawStyle.LINE)
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
    )
    if look.least is not None:
        panel.min(look.least)
    if look.most is not None:
        panel.max(look.most)
    if look.stacked or look.bars:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if look.warn is not None or look.bad is not None:
        panel.thresholds(_thresholds(look))
        panel.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED))
    for position, query in enumerate(queries):
        panel.with_target(_query(position, query, least_step="1m" if look.bars else ""))
        if query.color:
            panel.override_by_name(query.legend, [_fixed(query.color)])
    return panel


class Column(NamedTuple):
    """A column of a `sheet`: its heading, the instant query of its values, and how they are shown."""

    heading: str
    expr: str
    look: Look


def sheet(
    title: str, description: str, keys: Sequence[str], columns: Sequence[Column], *, width: int = 24, sort: str = ""
) -> table.Panel:
    """A table: a line for each combination of the labels ``keys``, a column for each query."""
    letters = ascii_uppercase[: len(columns)]
    headings = {f"Value #{letter}": column.heading for letter, column in zip(letters, columns, strict=True)}
    order = [*keys, *headings]
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(10)
        .show_header(True)
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: position for position, name in enumerate(order)},
                    "renameByName": headings,
                },
            )
        )
    )
    if sort:
        panel.sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(True)])
    for position, column in enumerate(columns):
        panel.with_target(_query(position, Query(column.expr), instant=True))
        panel.override_by_name(column.heading, _cell(column.look))
    return panel


def _query(position: int, query: Query, *, instant: bool = False, least_step: str = "") -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .ref_id(ascii_uppercase[position])
        .expr(query.expr.replace("$target", TARGET))
    )
    if query.legend:
        target.legend_format(query.legend)
    if least_step:
        target.interval(least_step)
    return target.instant().format(PromQueryFormat.TABLE) if instant else target.range()


def _thresholds(look: Look) -> dashboard_builders.ThresholdsConfig:
    steps: list[tuple[float | None, str]] = [(None, GREEN)]
    limits = [(look.warn, YELLOW), (look.bad, RED)]
    if look.bad is not None and look.warn is not None and look.bad < look.warn:
        # Low is bad: red up to what is bad, yellow up to what is a warning.
        steps, limits = [(None, RED)], [(look.bad, YELLOW), (look.warn, GREEN)]
    steps += [(limit, color) for limit, color in limits if limit is not None]
    return (
        dashboard_builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def _cell(look: Look) -> list[models.DynamicConfigValue]:
    properties = [models.DynamicConfigValue(id_val="unit", value=look.unit)]
    if look.warn is not None:
        properties += [
            models.DynamicConfigValue(id_val="thresholds", value=_thresholds(look).build()),
            models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ]
    return properties


def _fixed(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
