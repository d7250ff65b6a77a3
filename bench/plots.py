"""Plots of results, as SVG: the same numbers give the same file."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from .results import Figure

OURS = "#d6571c"
OTHERS = "#8b9299"


def draw(figure: Figure, directory: Path) -> Path:
    """Draw ``figure`` into ``directory``; returns the file."""
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
    height = 0.9 + 0.28 * len(figure.bars) if figure.bars else 3.4
    canvas = Canvas(figsize=(7.2, height), layout="constrained")
    axes = canvas.subplots()
    axes.set_title(figure.title, loc="left")
    axes.set_xlabel(figure.x_label)
    axes.spines[["top", "right"]].set_visible(False)
    if figure.bars:
        _bars(axes, figure)
    else:
        _lines(axes, figure)
    directory.mkdir(exist_ok=True, parents=True)
    file = directory / f"{figure.name}.svg"
    canvas.savefig(file, metadata={"Date": None})
    return file


def _bars(axes: Axes, figure: Figure) -> None:
    names = sorted(figure.bars, key=lambda name: figure.bars[name], reverse=True)
    values = [figure.bars[name] for name in names]
    drawn = axes.barh(names, values, color=[OURS if name.startswith("this") else OTHERS for name in names])
    axes.bar_label(drawn, [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in values], padding=3)
    axes.margins(x=0.12)


def _lines(axes: Axes, figure: Figure) -> None:
    for line in figure.lines:
        axes.plot(line.x, line.y, marker="o", markersize=3.5, linewidth=1.4, label=line.label)
    axes.set_ylabel(figure.y_label)
    if figure.log_x:
        axes.set_xscale("log")
    if figure.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    if len(figure.lines) > 1:
        axes.legend(frameon=False)
