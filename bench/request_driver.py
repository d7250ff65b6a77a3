"""Feeds requests to a WSGI application the way a worker does, through the real recorder, without a socket."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.http.wsgi import FileWrapper

from gunicorn_prometheus_exporter.failures import Failures
from gunicorn_prometheus_exporter.recorder.recorder import Recorder
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.files import open_private
from gunicorn_prometheus_exporter.storage.segments import Segments
from gunicorn_prometheus_exporter.workers.instrument import InstrumentedApp, recording_post_request

WSGIApp = Callable[..., Iterable[bytes]]


class _Response:
    """What the recorder asks of Gunicorn's response object."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.status_code = 0
        self.headers_sent = True
        self.response_length = None
        self.sent = 0

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = status
        self.status_code = int(status[:3])


class _Body(io.BytesIO):
    """An empty request body with the reader that Gunicorn's has."""

    class reader:  # noqa: N801 - Gunicorn's own name
        length = 0


class RequestDriver:
    """Calls ``app`` for GET ``path``, ``count`` times in a row, recorded or bare."""

    def __init__(self, app: WSGIApp, path: str, *, recorded: bool = True) -> None:
        self._store = open_private(_raise, cleanup=False, uid=0, gid=0)
        self._path = path
        self._app: WSGIApp = app
        self._finish: Callable[..., None] = _nothing
        if recorded:
            recorder = Recorder(Segments(self._store, "1"), self._store.open_journal("1", 1), Settings())
            failures = Failures(log=logging.getLogger(__name__).error)
            self._app = InstrumentedApp(app, recorder, failures)
            self._finish = recording_post_request(recorder, failures, _nothing)

    def run(self, count: int) -> float:
        """CPU seconds of this process for ``count`` requests."""
        started = time.process_time()
        for _ in range(count):
            response, environ = _Response(), self._environ()
            body = self._app(environ, response.start_response)
            for chunk in body:
                response.sent += len(chunk)
            close = getattr(body, "close", None)
            if close is not None:
                close()
            self._finish(None, None, environ, response)
        return time.process_time() - started

    def close(self) -> None:
        self._store.close()

    def _environ(self) -> dict[str, Any]:
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": self._path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": _Body(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }


def _nothing(*_: Any) -> None:
    pass


def _raise(component: str, error: BaseException) -> None:
    raise error
