"""What every framework's bridge must yield: the scenarios, by name, and what each must leave in the metrics.

A framework has a site, an application with these pages, each under its own name as path:

    hello, items/<number>    a few bytes
    upload, pieces           the size of the body, which is read whole, or in pieces
    cut, reset               the same as upload
    unread                   a 503, the body unread
    download                 the file download.txt, with sendfile
    stream, flood            ``parts`` times ``size`` bytes, or bytes without an end
    stream-fails             3000 bytes, then a ValueError
    handled                  raises NoSuchThing, for which the user has an answer with status 404
    refused                  raises the framework's own exception for 403
    converted                raises Retold, the handler of which raises again
    unhandled                raises a ValueError for which nobody has an answer
    away                     raises the framework's redirect, if it has one
    rooms/<name>             a websocket, if the framework has them, which sends back what it gets

The site keeps its own book, in ``ledger``, of the bodies it read and the exceptions it raised.
"""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from typing import NamedTuple

from websockets.sync.client import connect

from tests.e2e.client import Connection, Response
from tests.e2e.exposition import Exposition

DOWNLOAD = "0123456789" * 20_000


@dataclass(frozen=True)
class Framework:
    """``name`` is the label ``source``; ``templates`` are the endpoints of pages that are not ``/`` and their name.

    ``refusal`` is the class that ``refused`` raises, ``wrong_method`` the status of a method that a page does not have.
    ``cut_upload`` is the status of an upload that the client closed too early, ``reset_upload`` that of one that it
    ended with a reset. ``lacks`` names scenarios that cannot be. ``worker_classes`` serve it, the first one also each
    scenario by itself. ``stream_source`` is the label ``source`` of what fails in the middle of a stream.
    """

    name: str
    site: Path
    templates: Mapping[str, str]
    refusal: str
    wrong_method: int = 405
    cut_upload: int = 200
    reset_upload: int = 500
    lacks: frozenset[str] = frozenset()
    worker_classes: tuple[str, ...] = ("sync", "gthread")
    stream_source: str = "wsgi"
    has_websockets: bool = False

    def endpoint(self, page: str) -> str:
        return self.templates.get(page, f"/{page}")


class Visit(NamedTuple):
    """What the client knows about one request. Bytes are None if it cannot know how many the server had or sent."""

    method: str
    endpoint: str
    status: int
    received: int | None = 0
    sent: int | None = 0
    aborted: bool = False
    exceptions: tuple[tuple[str, str, str], ...] = ()


class Chat(NamedTuple):
    """What the client knows about one websocket: messages and bytes are as many each way."""

    endpoint: str
    messages: int
    size: int
    code: int


@dataclass
class Tally:
    """Requests by method, endpoint and status; bytes and aborts by endpoint; exceptions by endpoint, class, verdict
    and source."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    aborted: Counter[str] = field(default_factory=Counter)
    exceptions: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def add(self, visit: Visit) -> None:
        self.requests[visit.method, visit.endpoint, str(visit.status)] += 1
        self.received[visit.endpoint] += visit.received or 0
        self.sent[visit.endpoint] += visit.sent or 0
        self.aborted[visit.endpoint] += visit.aborted
        for error in visit.exceptions:
            self.exceptions[(visit.endpoint, *error)] += 1

    def __sub__(self, earlier: Tally) -> Tally:
        """What was added since."""
        return Tally(*(getattr(self, each.name) - getattr(earlier, each.name) for each in fields(self)))

    @classmethod
    def of_metrics(cls, seen: Exposition) -> Tally:
        tally = cls()
        for sample in seen.samples("gunicorn_http_requests_total"):
            labels = sample.labels
            tally.requests[labels["method"], labels["endpoint"], labels["status"]] += int(sample.value)
        for counter, name in (
            (tally.received, "gunicorn_http_request_size_bytes_sum"),
            (tally.sent, "gunicorn_http_response_size_bytes_sum"),
            (tally.aborted, "gunicorn_http_aborted_responses_total"),
        ):
            for sample in seen.samples(name):
                counter[sample.labels["endpoint"]] += int(sample.value)
        for sample in seen.samples("gunicorn_http_exceptions_total"):
            key = tuple(sample.labels[name] for name in ("endpoint", "error_type", "handled", "source"))
            tally.exceptions[key] += int(sample.value)  # type: ignore[index]
        return tally


class Visitor:
    """A client. Each public method is a scenario: one request, and what must come of it."""

    def __init__(self, port: int, framework: Framework, seed: int = 0) -> None:
        self._port = port
        self._framework = framework
        self._random = Random(seed)

    def _connect(self) -> Connection:
        return Connection(self._port, timeout=30)

    def _ask(self, method: str, page: str, body: bytes | None = None, query: str = "") -> Response:
        with self._connect() as connection:
            return connection.request(method, f"/{page}{query}", body=body, headers={"Connection": "close"})

    def _visit(
        self,
        method: str,
        page: str,
        status: int = 200,
        *,
        body: bytes | None = None,
        query: str = "",
        endpoint: str | None = None,
        exceptions: tuple[tuple[str, str, str], ...] = (),
    ) -> Visit:
        response = self._ask(method, page, body, query)
        assert response.status == status, (method, page, response)
        endpoint = self._framework.endpoint(page) if endpoint is None else endpoint
        return Visit(method, endpoint, status, len(body or b""), len(response.body), False, exceptions)

    def _raising(self, page: str, status: int, error_type: str, handled: str) -> Visit:
        return self._visit("GET", page, status, exceptions=((error_type, handled, self._framework.name),))

    def hello(self) -> Visit:
        return self._visit("GET", "hello")

    def variable(self) -> Visit:
        number = self._random.randrange(10**6)
        return self._visit("GET", f"items/{number}", endpoint=self._framework.endpoint("items"))

    def upload(self) -> Visit:
        return self._visit("POST", "upload", body=self._random.randbytes(self._random.randrange(300_000)))

    def upload_in_pieces(self) -> Visit:
        return self._visit("POST", "pieces", body=self._random.randbytes(self._random.randrange(50_000)))

    def upload_chunked(self) -> Visit:
        parts = [b"x" * self._random.randrange(1, 5000) for _ in range(5)]
        with self._connect() as connection:
            response = connection.request("POST", "/upload", chunks=parts, headers={"Connection": "close"})
        size = sum(map(len, parts))
        assert (response.status, response.body) == (200, str(size).encode())
        return Visit("POST", self._framework.endpoint("upload"), 200, size, len(response.body))

    def upload_unread(self) -> Visit:
        return self._visit("POST", "unread", 503, body=b"")

    def download(self) -> Visit:
        visit = self._visit("GET", "download")
        assert visit.sent == len(DOWNLOAD)
        return visit

    def download_head(self) -> Visit:
        return self._visit("HEAD", "download")

    def stream(self) -> Visit:
        parts, size = self._random.randrange(1, 20), self._random.randrange(1, 5000)
        visit = self._visit("GET", "stream", query=f"?parts={parts}&size={size}")
        assert visit.sent == parts * size
        return visit

    def not_found(self) -> Visit:
        return self._visit("GET", f"nowhere/{self._random.random()}", 404, endpoint="__unmatched__")

    def wrong_method(self) -> Visit:
        return self._visit("PUT", "hello", self._framework.wrong_method)

    def handled(self) -> Visit:
        return self._raising("handled", 404, "NoSuchThing", "true")

    def refused(self) -> Visit:
        return self._raising("refused", 403, self._framework.refusal, "true")

    def converted(self) -> Visit:
        return self._raising("converted", 500, "Retold", "false")

    def unhandled(self) -> Visit:
        return self._raising("unhandled", 500, "ValueError", "false")

    def redirected(self) -> Visit:
        return self._visit("GET", "away", 302)

    def stream_fails(self) -> Visit:
        with self._connect() as connection:
            try:
                connection.request("GET", "/stream-fails", headers={"Connection": "close"})
                raise AssertionError("the response should have been cut short")
            except http.client.IncompleteRead as error:
                sent = len(error.partial)
        endpoint = self._framework.endpoint("stream-fails")
        return Visit("GET", endpoint, 200, 0, sent, True, (("ValueError", "false", self._framework.stream_source),))

    def download_aborted(self) -> Visit:
        with self._connect() as connection:
            connection.send_head("GET", "/flood", {"Connection": "close"})
            connection.read_exactly(100_000)
            connection.abort()
        return Visit("GET", self._framework.endpoint("flood"), 200, 0, None, True)

    def upload_cut(self) -> Visit:
        """The client closes before its whole body is there: the application reads less, and may not even mind."""
        size = self._random.randrange(1, 3000)
        with self._connect() as connection:
            connection.send_head("POST", "/cut", {"Connection": "close", "Content-Length": "5000"})
            connection.send(b"x" * size)
        return Visit("POST", self._framework.endpoint("cut"), self._framework.cut_upload, size, None, True)

    def upload_reset(self) -> Visit:
        """The connection breaks while the application reads: what it raises then is no exception of its own."""
        with self._connect() as connection:
            headers = {"Connection": "close", "Content-Length": "5000", "Expect": "100-continue"}
            connection.send_head("POST", "/reset", headers)
            # Now Gunicorn has read the head, and whatever comes, the application is called.
            assert connection.file.readline().split()[1] == b"100"
            connection.send(b"x" * 1000)
            connection.abort()
        return Visit("POST", self._framework.endpoint("reset"), self._framework.reset_upload, None, None, True)

    def _chat(self) -> Chat:
        messages = [
            self._random.randbytes(self._random.randrange(3000)).hex() for _ in range(self._random.randrange(5))
        ]
        room = self._random.randrange(10**6)
        with connect(f"ws://127.0.0.1:{self._port}/rooms/{room}") as socket:
            for message in messages:
                socket.send(message)
                assert socket.recv() == message
            code = self._random.choice([1000, 1001])
            socket.close(code)
        return Chat(self._framework.endpoint("rooms"), len(messages), sum(map(len, messages)), code)

    def any_of(self, scenarios: Sequence[str]) -> Visit | Chat:
        """One of ``scenarios``, or maybe a websocket."""
        if self._framework.has_websockets and self._random.randrange(20) == 0:
            return self._chat()
        return SCENARIOS[self._random.choice(scenarios)](self)


SCENARIOS: Mapping[str, Callable[[Visitor], Visit]] = {
    name: scenario for name, scenario in vars(Visitor).items() if not name.startswith("_") and name != "any_of"
}
"""The same names for every framework."""


def read_ledger(path: Path) -> Counter[tuple[str, str]]:
    """The site's own sums, by what happened (``received``, or an exception's class) and page."""
    book: Counter[tuple[str, str]] = Counter()
    for line in path.read_text().splitlines():
        what, page, number = line.split()
        book[what, page] += int(number)
    return book
