"""What `top` draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import units
from .picture import Endpoint, Picture, Worker

_BUSY_WARNS: Final = 0.7
_BUSY_ALARMS: Final = 0.9
_BAR: Final = 20
# Lines that are not rows of the table of endpoints.
_FRAME_LINES: Final = 10
_FEWEST_ENDPOINTS: Final = 3


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the endpoints, and the key that asks for it."""

    key: str
    name: str
    of: Callable[[Endpoint], float]


def _slowest(endpoint: Endpoint) -> float:
    quantile = endpoint.quantile(0.95)
    return -1.0 if math.isnan(quantile) else quantile


ORDERS: Final = (
    Order("r", "requests", lambda endpoint: endpoint.requests),
    Order("e", "errors", lambda endpoint: endpoint.errors),
    Order("l", "latency", _slowest),
    Order("b", "bytes sent", lambda endpoint: endpoint.sent),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is to be shown: the last ``picture`` there is, and what is wrong, if something is."""

    title: str
    picture: Picture | None
    order: Order
    paused: bool = False
    trouble: str = ""


def draw(frame: Frame, *, height: int, keys: bool) -> RenderableType:
    """The screen, ``height`` lines of it; 0 for as many as it takes. With ``keys`` it says what can be pressed."""
    parts: list[RenderableType] = [_title(frame)]
    shown = frame.picture
    if shown is None:
        parts.append(Text("Waiting for the second scrape." if not frame.trouble else ""))
    else:
        workers = shown.workers
        free = height - _FRAME_LINES - len(shown.backlogs)
        if height and len(workers) > max(free // 2, _FEWEST_ENDPOINTS):
            workers = workers[: max(free // 2, _FEWEST_ENDPOINTS)]
        rows = max(free - len(workers), _FEWEST_ENDPOINTS) if height else len(shown.endpoints)
        parts += [_summary(shown), Text(), _workers(workers, len(shown.workers)), Text()]
        parts.append(_endpoints(shown.endpoints, frame.order, rows))
    if keys:
        parts += [Text(), _keys(frame)]
    return Group(*parts)


def _title(frame: Frame) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(frame.title, "bold")
    if frame.paused:
        text.append("  paused", "yellow")
    if frame.trouble:
        text.append(f"  {frame.trouble}", "bold red")
    return text


def _summary(shown: Picture) -> Table:
    whole = shown.whole
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    busy = Text(_bar(shown.busy), _heat(shown.busy))
    busy.append(f" {units.percent(shown.busy)} of {sum(shown.states.values()):.0f} workers", "default")
    grid.add_row("busy", busy)
    grid.add_row("workers", _states(shown.states, shown.configured))
    grid.add_row("requests", f"{units.rate(whole.requests)}/s, {shown.in_progress:.0f} in progress")
    failed = f"{units.rate(whole.errors)}/s answered 5xx ({units.percent(whole.error_ratio)})"
    errors = Text(failed, "red" if whole.errors else "")
    errors.append(f", {units.rate(whole.exceptions)}/s exceptions", "default")
    grid.add_row("errors", errors)
    grid.add_row("latency", "  ".join(f"p{100 * q:.0f} {units.latency(whole.quantile(q))}" for q in (0.5, 0.95, 0.99)))
    grid.add_row("payload", f"{units.size(whole.received)}/s received, {units.size(whole.sent)}/s sent")
    for listener, (waiting, limit) in shown.backlogs.items():
        of = "" if math.isnan(limit) else f" of {limit:.0f}"
        grid.add_row("backlog", Text(f"{waiting:.0f}{of} at {listener}", "yellow" if waiting else ""))
    if shown.exits:
        ended = ", ".join(f"{reason} {count:.0f}" for reason, count in sorted(shown.exits.items()))
        grid.add_row("worker exits", ended)
    return grid


def _states(states: Mapping[str, float], configured: float) -> str:
    alive = ", ".join(f"{count:.0f} {state}" for state, count in sorted(states.items()) if count)
    return f"{alive or 'none'} ({configured:.0f} configured)"


def _workers(workers: list[Worker], there_are: int) -> Table:
    more = f" ({there_are - len(workers)} more)" if there_are > len(workers) else ""
    table = _table(f"WORKER{more}", "STATE", "BUSY", "IN PROGRESS", "REQ/S", "CPU", "MEMORY", "UPTIME")
    for worker in workers:
        table.add_row(
            worker.slot,
            worker.state,
            Text(units.percent(worker.busy), _heat(worker.busy)),
            f"{worker.in_progress:.0f}",
            units.rate(worker.requests),
            units.percent(worker.cpu),
            units.size(worker.memory),
            units.age(worker.uptime),
        )
    return table


def _endpoints(endpoints: list[Endpoint], order: Order, rows: int) -> Table:
    more = f" ({len(endpoints) - rows} more)" if len(endpoints) > rows else ""
    table = _table(f"ENDPOINT{more}", "REQ/S", "5XX", "P50", "P95", "P99", "RECEIVED/S", "SENT/S", "EXCEPTIONS/S")
    for endpoint in sorted(endpoints, key=lambda one: (-order.of(one), one.name))[:rows]:
        table.add_row(
            # A route is text of the application's, and no markup.
            Text(endpoint.name, overflow="ellipsis", no_wrap=True),
            units.rate(endpoint.requests),
            Text(units.percent(endpoint.error_ratio), "red" if endpoint.errors else ""),
            *(units.latency(endpoint.quantile(share)) for share in (0.5, 0.95, 0.99)),
            units.size(endpoint.received),
            units.size(endpoint.sent),
            units.rate(endpoint.exceptions),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bold cyan")
    table.add_column(first, ratio=1, no_wrap=True, overflow="ellipsis")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _keys(frame: Frame) -> Text:
    text = Text("q quit  p pause  order by:", "dim", no_wrap=True, overflow="ellipsis")
    for order in ORDERS:
        text.append(f"  {order.key} {order.name}", "bold" if order is frame.order else "dim")
    return text


def _bar(ratio: float) -> str:
    full = 0 if math.isnan(ratio) else round(ratio * _BAR)
    return "█" * full + "░" * (_BAR - full)


def _heat(ratio: float) -> str:
    return "red" if ratio >= _BUSY_ALARMS else "yellow" if ratio >= _BUSY_WARNS else "green"
