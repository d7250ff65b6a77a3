"""The command ``top`` in a real terminal, beside a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.harness import IMPORT_ROOTS, Gunicorn, free_port, wait_until
from tests.e2e.terminal import Terminal

APP = """
import os, time
def app(environ, start_response):
    note = environ["gunicorn_prometheus_exporter.note"]
    note.endpoint(environ["PATH_INFO"])
    while environ["PATH_INFO"] == "/held" and not os.path.exists("let_go"):
        time.sleep(0.05)
    start_response("500 Oops" if environ["PATH_INFO"] == "/bad[red]" else "200 OK", [])
    return [b"ok"]
"""
COMMAND = [sys.executable, "-m", "gunicorn_prometheus_exporter", "top"]
START = Callable[..., Gunicorn]


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), **more}


@pytest.fixture
def top() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **size: int) -> Terminal:
        opened.append(Terminal([*COMMAND, "--interval", "0.5", *arguments], environment(), **size))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def url(server: Gunicorn) -> str:
    return f"http://127.0.0.1:{server.metrics_port}"


def line(terminal: Terminal, start: str) -> str:
    return next((found for found in terminal.text().splitlines() if found.startswith(start)), "")


def test_the_screen_shows_what_the_server_does(gunicorn: START, top: Callable[..., Terminal]) -> None:
    server = gunicorn(APP, worker_class="gthread", workers=2, args=["--threads", "3"])
    terminal = top(url(server))
    held = [threading.Thread(target=server.get, args=("/held",)) for _ in range(3)]
    for one in held:
        one.start()
    wait_until(lambda: "3 in progress" in line(terminal, "requests"), what="three requests on the screen")
    assert "(2 configured)" in line(terminal, "workers")
    assert re.search(r"\b0 of \d+ at http://127\.0\.0\.1:", line(terminal, "backlog"))
    assert [found.split()[:2] for found in terminal.text().splitlines() if re.match(r"[12]  ", found)] == [
        ["1", "running"],
        ["2", "running"],
    ]
    (server.home / "let_go").touch()
    for one in held:
        one.join(10)
    # A route is text, whatever it looks like.
    stop = threading.Event()
    asking = threading.Thread(target=lambda: [server.get("/bad[red]") for _ in iter(stop.is_set, True)])
    asking.start()
    try:
        wait_until(lambda: "100%" in line(terminal, "/bad[red]"), what="the failing route on the screen")
        wait_until(lambda: "5xx (100%)" in line(terminal, "errors"), what="nothing but errors")
        terminal.press("e")
        wait_until(lambda: line(terminal, "ENDPOINT") and "q quit" in terminal.text())
        terminal.resize(60, 24)
        wait_until(lambda: max(map(len, terminal.text().splitlines())) <= 60 and "WORKER" in terminal.text())
    finally:
        stop.set()
        asking.join(10)
    terminal.press("p")
    wait_until(lambda: "paused" in terminal.text())
    terminal.press("q")
    assert terminal.process.wait(10) == 0
    assert terminal.modes_now() == terminal.modes


def test_a_server_that_goes_and_comes_back(gunicorn: START, top: Callable[..., Terminal]) -> None:
    port = free_port()
    server = gunicorn(APP, metrics_port=port)
    terminal = top(f"http://127.0.0.1:{port}")
    wait_until(lambda: line(terminal, "workers"))
    server.stop()
    wait_until(lambda: "no metrics: " in terminal.text())
    assert line(terminal, "workers"), "what was known is still shown"
    gunicorn(APP, workers=3, metrics_port=port)
    wait_until(lambda: "(3 configured)" in line(terminal, "workers"))
    assert "no metrics" not in terminal.text()
    terminal.press("\x03")
    assert terminal.process.wait(10) == 130
    assert terminal.modes_now() == terminal.modes


def test_one_picture_for_a_pipe(gunicorn: START) -> None:
    server = gunicorn(APP, env={"PROMETHEUS_BEARER_TOKEN": "0123456789abcdef.token"}, wait=True)
    (server.home / "token").write_text("0123456789abcdef.token\n")
    command = [*COMMAND, "--once", "--interval", "0.3", url(server)]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], env=environment(), capture_output=True, text=True, timeout=30)

    refused = run()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("no metrics: status 401\n")
    shown = run("--bearer-token-file", str(server.home / "token"))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 idle (1 configured)" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_no_terminal_is_one_line() -> None:
    done = subprocess.run(
        [*COMMAND, "http://127.0.0.1:9"], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "top needs a terminal; with --once it prints one picture anywhere" in done.stderr
