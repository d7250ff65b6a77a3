"""The command ``top``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from ..command import Command, CommandFailed
from ..reach import add_connection_arguments, credentials_in, parse_url, without_user
from .keyboard import Keyboard

if TYPE_CHECKING:
    from rich.console import Console

    from .scraping import Scraping

_PIP: Final = "pip install 'gunicorn-prometheus-exporter[top]'"
# How soon a key, or a terminal of another size, shows.
_STEP: Final = 0.2


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="of the endpoint, with user:password@ where it wants them")
    parser.add_argument(
        "--interval", type=_interval, default=2.0, metavar="SECONDS", help="between scrapes; default: 2"
    )
    parser.add_argument("--once", action="store_true", help="print one picture, of two scrapes, and end")
    parser.add_argument("--bearer-token-file", metavar="FILE", help="token to show, where the endpoint wants one")
    add_connection_arguments(parser)


def _interval(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("is not a number of seconds from 0.1 to 3600")
    return value


def _run(arguments: argparse.Namespace) -> int:
    try:
        from rich.console import Console

        from .scraping import Scraping
    except ImportError as error:
        raise CommandFailed(f"top needs rich: {_PIP}") from error
    url = parse_url(arguments.url)
    headers = credentials_in(url)
    if arguments.bearer_token_file is not None:
        headers["Authorization"] = f"Bearer {_token(arguments.bearer_token_file)}"
    scraping = Scraping(url, headers, arguments)
    console, title = Console(), f"{without_user(url).geturl()}, every {arguments.interval:g} s"
    if arguments.once:
        return _print_once(scraping, console, title, arguments.interval)
    if not (sys.stdin.isatty() and console.is_terminal):
        raise CommandFailed("top needs a terminal; with --once it prints one picture anywhere")
    return _show(scraping, console, title)


def _token(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"--bearer-token-file: {path!r} cannot be read: {error}") from error


def _print_once(scraping: Scraping, console: Console, title: str, interval: float) -> int:
    from .screen import ORDERS, Frame, draw

    scraping.look()
    if not scraping.trouble:
        time.sleep(interval)
        scraping.look()
    if scraping.trouble or scraping.picture is None:
        print(f"{title}: {scraping.trouble or 'the server has just restarted'}", file=sys.stderr)  # noqa: T201
        return 1
    console.print(draw(Frame(title, scraping.picture, ORDERS[0]), height=0, keys=False))
    return 0


def _show(scraping: Scraping, console: Console, title: str) -> int:
    from rich.live import Live

    from .screen import ORDERS, Frame, draw

    scraping.start()
    order = ORDERS[0]
    with Keyboard(sys.stdin.fileno()) as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            frame = Frame(title, scraping.picture, order, scraping.paused, scraping.trouble)
            live.update(draw(frame, height=console.height, keys=True), refresh=True)
            key = keyboard.wait(_STEP)
            if key == "q":
                return 0
            if key == "p":
                scraping.paused = not scraping.paused
            order = next((one for one in ORDERS if one.key == key), order)


TOP: Final = Command(
    "top",
    "Show workers, saturation, endpoints and errors of the server whose metrics are at URL, live. "
    "Keys: q quits, p pauses, r e l b order the endpoints by requests, errors, latency, bytes sent. "
    "Exit status: 0 done, 1 no metrics or no terminal, 2 wrong use.",
    _add_arguments,
    _run,
)
