"""A recorder on a directory of its own, fed with requests that no server received."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.recorder.recorder import Recorder
from gunicorn_prometheus_exporter.recorder.request import RecordedRequest
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.files import open_named
from gunicorn_prometheus_exporter.storage.segments import Segments


class Response:
    """As much of Gunicorn's response as a recorder looks at."""

    def __init__(self) -> None:
        self.req = SimpleNamespace(version=(1, 1), peer_addr=("127.0.0.1", 1), remote_addr=("127.0.0.1", 1))
        self.status: str | None = None
        self.status_code: int | None = None
        self.headers_sent = False
        self.response_length: int | None = None
        self.sent = 0

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.status_code = status, int(status.split()[0])
        return self.write

    def write(self, data: bytes) -> None:
        self.headers_sent = True
        self.sent += len(data)


class Recording:
    """A worker of slot 1 and what prometheus_client's own collector reads of it."""

    def __init__(self, directory: Path, cells: int = 4, **settings: Any) -> None:
        self.directory = directory
        self.failures: list[BaseException] = []
        store = open_named(str(directory), lambda _, error: self.failures.append(error), cleanup=False, uid=0, gid=0)
        self.journal = store.open_journal("1", cells)
        self.recorder = Recorder(Segments(store, "1"), self.journal, Settings(**settings))

    def begin(self, method: str = "GET", endpoint: str | None = None, path: str = "/") -> RecordedRequest:
        body = SimpleNamespace(reader=SimpleNamespace(length=0))
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": body, "wsgi.url_scheme": "http"}
        request = self.recorder.beginning(environ, Response().start_response)
        if endpoint is not None:
            request.endpoint(endpoint)
        return request

    def serve(self, method: str = "GET", endpoint: str | None = None, status: int = 200, size: int = 0) -> None:
        """One whole request."""
        request = self.begin(method, endpoint)
        request.start_response(f"{status} Status", [])
        request.response.write(b"x" * size)
        self.recorder.finish(request, None)

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of that name by their label values, in the order of the labels' names."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.directory))
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == name
        }
