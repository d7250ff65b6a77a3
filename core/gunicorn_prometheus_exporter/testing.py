"""For test suites of applications: which metrics would a request have produced?

No Gunicorn is needed: the application is called as before, by the test client of its framework, and what its bridge
says is recorded. With ``pytest_plugins = ["gunicorn_prometheus_exporter.testing"]`` in the topmost ``conftest.py``::

    def test_missing_user(app, gunicorn_metrics):
        app.wsgi_app = gunicorn_metrics.wsgi(app.wsgi_app)
        app.test_client().get("/users/7")
        gunicorn_metrics.assert_value(
            "gunicorn_http_exceptions_total", 1, endpoint="/users/<int:id>", error_type="NoSuchUser", handled="true"
        )

Requests, exceptions and responses that failed midway are recorded. Durations and sizes are not: they are the server's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final

import pytest

from .bridges import watch_frameworks
from .catalogue import UNMATCHED, UNROUTED
from .note import NOTE_KEY, RequestNote

REQUESTS: Final = "gunicorn_http_requests_total"
EXCEPTIONS: Final = "gunicorn_http_exceptions_total"
ABORTED: Final = "gunicorn_http_aborted_responses_total"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[dict[str, Any], Receive, Send], Awaitable[Any]]
Sample = tuple[str, frozenset[tuple[str, str]]]


class RecordedMetrics:
    """The samples that requests produced. Printed, one a line, as a scrape would show them."""

    def __init__(self) -> None:
        self._samples: Counter[Sample] = Counter()

    def wsgi(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """``app``, a WSGI application, with every request recorded."""

        def recording(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
            environ[NOTE_KEY] = note = RequestNote(environ.get("PATH_INFO", ""))
            started: list[str] = []

            def start(status: str, *args: Any) -> Any:
                started[:] = [status[:3]]
                return start_response(status, *args)

            body: Iterable[bytes] = ()
            sent = aborted = False
            try:
                body = app(environ, start)
                for chunk in body:
                    sent = sent or bool(chunk)
                    yield chunk
            except Exception as error:
                note.unhandled(error, "wsgi")
                aborted = sent
                if not sent:
                    started.clear()
                raise
            finally:
                if hasattr(body, "close"):
                    body.close()
                self._record(note, environ["REQUEST_METHOD"], started[0] if started else "500", aborted)

        return recording

    def asgi(self, app: ASGIApplication) -> ASGIApplication:
        """``app``, an ASGI application, with every request recorded; Starlette and FastAPI need nothing else."""
        unrouted = watch_frameworks(_fail)

        async def recording(scope: dict[str, Any], receive: Receive, send: Send) -> Any:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            scope[NOTE_KEY] = note = RequestNote(scope["path"])
            status, is_complete = 0, False

            async def noting_send(message: Message) -> None:
                nonlocal status, is_complete
                await send(message)
                if message["type"] == "http.response.start":
                    status = message["status"]
                elif message["type"] == "http.response.body":
                    is_complete = not message.get("more_body", False)

            try:
                return await app(scope, receive, noting_send)
            except Exception as error:
                if not is_complete or not note.is_handled(error):
                    note.unhandled(error, "asgi")
                raise
            finally:
                del scope[NOTE_KEY]
                if note.template in (None, UNMATCHED):
                    for name in unrouted:
                        name(scope, note, status)
                self._record(note, scope["method"], str(status or 500), bool(status) and not is_complete)

        return recording

    def handler(self, handler: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """The ``handler`` of a Django test client, with every request recorded."""

        def recording(environ: dict[str, Any]) -> Any:
            environ[NOTE_KEY] = note = RequestNote(environ.get("PATH_INFO", ""))
            status = 500
            try:
                response = handler(environ)
                status = response.status_code
            except Exception as error:
                note.unhandled(error, "wsgi")
                raise
            finally:
                self._record(note, environ["REQUEST_METHOD"], str(status), False)
            return response

        return recording

    def value(self, name: str, **labels: str) -> int:
        """The sum of the samples ``name`` that have these ``labels``, and maybe others."""
        wanted = set(labels.items())
        return sum(value for (sample, pairs), value in self._samples.items() if sample == name and wanted <= pairs)

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of every sample ``name``."""
        return [dict(pairs) for sample, pairs in self._samples if sample == name]

    def assert_value(self, name: str, value: int, **labels: str) -> None:
        """Fail, and print what was recorded, unless the samples ``name`` with these ``labels`` sum up to ``value``."""
        seen = self.value(name, **labels)
        if seen != value:
            raise AssertionError(f"{_line(name, labels.items())} is {seen}, not {value}. Recorded:\n{self}")

    def __str__(self) -> str:
        lines = sorted(f"{_line(name, pairs)} {value}" for (name, pairs), value in self._samples.items())
        return "\n".join(lines) or "nothing"

    def _record(self, note: RequestNote, method: str, status: str, aborted: bool) -> None:
        place = {"method": method, "endpoint": note.template or UNROUTED}
        self._count(REQUESTS, **place, status=status)
        for noted in note.exceptions or ():
            handled = "true" if noted.handled else "false"
            self._count(EXCEPTIONS, **place, error_type=noted.error_type, handled=handled, source=noted.source)
        if aborted:
            self._count(ABORTED, **place)

    def _count(self, name: str, **labels: str) -> None:
        self._samples[name, frozenset(labels.items())] += 1


def _fail(component: str, error: BaseException) -> None:
    raise error


def _line(name: str, labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join(f'{key}="{value}"' for key, value in sorted(labels))
    return f"{name}{{{pairs}}}"


@pytest.fixture
def gunicorn_metrics() -> RecordedMetrics:
    """What the requests of one test produced."""
    return RecordedMetrics()
