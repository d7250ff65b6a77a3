"""A server of ``traffic_app.py`` that several tests share: each uses endpoints of its own, so it sees only its own."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

from tests.e2e.client import Connection, Response
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn

REQUESTS = "gunicorn_http_requests_total"
ABORTED = "gunicorn_http_aborted_responses_total"
EXCEPTIONS = "gunicorn_http_exceptions_total"
PARSE_ERRORS = "gunicorn_http_parse_errors_total"


class Recorded(NamedTuple):
    """All that the metrics say of one endpoint. ``requests``: by (method, status); ``exceptions``: by error type."""

    requests: dict[tuple[str, str], float]
    received: float
    sent: float
    seconds: float
    aborted: float
    exceptions: dict[str, float]


class Site:
    """``worker_class`` is its short name."""

    def __init__(self, server: Gunicorn, worker_class: str) -> None:
        self.server = server
        self.worker_class = worker_class
        self._numbers = count()

    def endpoint(self, what: str) -> str:
        """A path that does ``what`` and that no other test uses."""
        return f"/{what}/{next(self._numbers)}"

    def connect(self, timeout: float = 10.0, receive_buffer: int | None = None) -> Connection:
        return Connection(self.server.port, timeout=timeout, receive_buffer=receive_buffer)

    def get(self, path: str, method: str = "GET", **headers: str) -> Response:
        """One request on a connection of its own."""
        return self.server.get(path, method, **headers)

    def recorded(self, endpoint: str, requests: int = 1, timeout: float = 10.0) -> Recorded:
        """What the metrics say of ``endpoint`` once they know of so many requests; fails if they never do."""
        seen = self.server.scrape_until(lambda e: e.total(REQUESTS, endpoint=endpoint) >= requests, timeout)
        return recorded(seen, endpoint)

    def parse_errors(self) -> dict[str, float]:
        """How many there were, by reason."""
        samples = self.server.scrape().samples(PARSE_ERRORS)
        return {sample.labels["reason"]: sample.value for sample in samples}

    def all_requests(self) -> float:
        """How many requests were counted, whatever the endpoint."""
        return self.server.scrape().total(REQUESTS)


def recorded(seen: Exposition, endpoint: str) -> Recorded:
    """What ``seen`` says of ``endpoint``. Fails if its families do not agree on how many requests there were."""
    requests = {
        (sample.labels["method"], sample.labels["status"]): sample.value
        for sample in seen.samples(REQUESTS, endpoint=endpoint)
    }
    for name in ("request_duration_seconds", "request_size_bytes", "response_size_bytes"):
        assert seen.total(f"gunicorn_http_{name}_count", endpoint=endpoint) == sum(requests.values()), name
    return Recorded(
        requests=requests,
        received=seen.total("gunicorn_http_request_size_bytes_sum", endpoint=endpoint),
        sent=seen.total("gunicorn_http_response_size_bytes_sum", endpoint=endpoint),
        seconds=seen.total("gunicorn_http_request_duration_seconds_sum", endpoint=endpoint),
        aborted=seen.total(ABORTED, endpoint=endpoint),
        exceptions={
            sample.labels["error_type"]: sample.value for sample in seen.samples(EXCEPTIONS, endpoint=endpoint)
        },
    )
