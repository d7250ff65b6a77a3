"""Records `top` beside a real server under load, as a picture: ``python scripts/terminal_picture.py FILE.svg``.

The example application runs on free ports of this machine; what the terminal shows after some seconds is the picture.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parent.parent
COLUMNS: Final = 112
SECONDS: Final = 8.0
PATHS: Final = ("/", "/", "/files/none", "/report?lines=5000", "/api/files", "/report", "/broken", "/nowhere")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, until: float) -> None:
    """Send requests until then, some of which fail."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{random.choice(PATHS)}", timeout=5).read()  # noqa: S311
        time.sleep(random.random() / 20)  # noqa: S311


def picture(metrics_port: int) -> str:
    """What ``top --once`` shows, with its colours."""
    command = [sys.executable, "-m", "gunicorn_prometheus_exporter", "top", "--once", "--interval", "3"]
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    url = f"http://127.0.0.1:{metrics_port}"
    return subprocess.run([*command, url], env=environment, check=True, capture_output=True, text=True).stdout


def main(arguments: list[str]) -> int:
    port, metrics_port = free_port(), free_port()
    settings = {"PROMETHEUS_METRICS_PORT": str(metrics_port), "PROMETHEUS_BIND_ADDRESS": "127.0.0.1"}
    server = [sys.executable, "-m", "gunicorn", "--workers", "4", "--bind", f"127.0.0.1:{port}", "app:app"]
    server += ["--worker-class", "gunicorn_prometheus_exporter.PrometheusThreadWorker", "--threads", "4"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            server, cwd=ROOT / "example_apps/flask_app", env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            time.sleep(4)
            until = time.monotonic() + SECONDS
            clients = [threading.Thread(target=ask, args=(port, until)) for _ in range(6)]
            for client in clients:
                client.start()
            time.sleep(2)
            shown = picture(metrics_port)
            for client in clients:
                client.join()
        finally:
            process.terminate()
            process.wait(30)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shown.replace(f":{metrics_port}", ":9091").replace(f":{port}", ":8000")))
    drawing = console.export_svg(title="gunicorn-prometheus-exporter top http://127.0.0.1:9091")
    # A page that shows it fetches nothing from elsewhere: any font of fixed width will do.
    Path(arguments[0]).write_text(re.sub(r"@font-face {.*?}\s*", "", drawing, flags=re.DOTALL), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
