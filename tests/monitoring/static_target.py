"""A target whose Redis is in trouble, made of text: the names and types are those of the catalogue."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType

from gunicorn_prometheus_exporter.catalogue import CATALOGUE

_failures = count(1)


def _exposition() -> str:
    values = {
        "gunicorn_exporter_series": 3.0,
        "gunicorn_exporter_redis_up": 0.0,
        "gunicorn_exporter_redis_publish_duration_seconds": 2.0,
        "gunicorn_exporter_redis_publish_failures": float(next(_failures)),
    }
    lines = []
    for name, value in values.items():
        family = CATALOGUE[name]
        sample = f"{name}_total" if family.kind == "counter" else name
        lines += [f"# TYPE {sample} {family.kind}", f"{sample} {value}"]
    return "\n".join(lines) + "\n"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _exposition().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class StaticTarget:
    """Serves on a port of 127.0.0.1 while it is entered."""

    def __init__(self, port: int) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> StaticTarget:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
