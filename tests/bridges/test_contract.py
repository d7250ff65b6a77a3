"""Every bridge yields the same for the same scenario: `tests/bridges/contract.py` names them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bridges.contract import SCENARIOS, Chat, Framework, Tally, Visit, Visitor, read_ledger
from tests.bridges.frameworks import FRAMEWORKS
from tests.e2e.exposition import Exposition
from tests.e2e.harness import Gunicorn

REQUESTS = "gunicorn_http_requests_total"
MIXED = int(os.environ.get("BRIDGE_REQUESTS", "1500"))
CLIENTS = 4

PAIRS = [(framework, name) for framework in FRAMEWORKS for name in framework.worker_classes]
Serve = Callable[[Framework, str], Gunicorn]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(shared: tuple[Framework, Gunicorn], scenario: str) -> None:
    """One request of each kind leaves exactly what the client saw of it."""
    framework, server = shared
    if scenario in framework.lacks:
        return
    before = server.scrape_once()
    visit = SCENARIOS[scenario](Visitor(server.port, framework))
    assert_tally(server, [visit], before)


@pytest.mark.parametrize(("framework", "worker_class"), PAIRS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.timeout(300)
def test_mixed_run(serve: Serve, framework: Framework, worker_class: str) -> None:
    """Counts, bytes and exceptions of many mixed requests equal what the client and the application counted."""
    server = serve(framework, worker_class)
    names = sorted(set(SCENARIOS) - framework.lacks)

    def client(number: int) -> list[Visit | Chat]:
        visitor = Visitor(server.port, framework, number)
        return [visitor.any_of(names) for _ in range(MIXED // CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = [each for found in pool.map(client, range(CLIENTS)) for each in found]
    measured = assert_tally(server, [each for each in done if isinstance(each, Visit)])
    assert_chats(server, [each for each in done if isinstance(each, Chat)])

    read: Counter[str] = Counter()
    raised: Counter[str] = Counter()
    for (what, page), number in read_ledger(server.home / "ledger").items():
        if what == "received":
            read[framework.endpoint(page)] += number
        else:
            raised[what] += number
    recorded: Counter[str] = Counter()
    for (_, error_type, _, _), number in measured.exceptions.items():
        recorded[error_type] += number
    assert recorded == raised, "exceptions by class, as the application counted them"
    for page in ("upload", "pieces"):
        assert measured.received[framework.endpoint(page)] == read[framework.endpoint(page)]
    of_rooms = server.scrape().total("gunicorn_websocket_message_bytes_total", direction="received")
    assert of_rooms == read[framework.endpoint("rooms")]


def assert_chats(server: Gunicorn, chats: list[Chat]) -> None:
    """Fail unless the metrics say of websockets exactly what the clients know."""
    seen = server.scrape_until(lambda e: e.total("gunicorn_websocket_closed_total") >= len(chats))
    assert seen.total("gunicorn_websocket_opened_total") == len(chats)
    assert seen.total("gunicorn_websocket_open") == 0
    assert {chat.endpoint for chat in chats} == seen.label_values("gunicorn_websocket_opened_total", "endpoint")
    codes = {s.labels["code"]: s.value for s in seen.samples("gunicorn_websocket_closed_total")}
    assert codes == Counter(str(chat.code) for chat in chats)
    for direction in ("received", "sent") if chats else ():
        messages = seen.total("gunicorn_websocket_messages_total", direction=direction)
        assert messages == sum(chat.messages for chat in chats)
        size = seen.total("gunicorn_websocket_message_bytes_total", direction=direction)
        assert size == sum(chat.size for chat in chats)


def assert_tally(server: Gunicorn, visits: list[Visit], before: Exposition | None = None) -> Tally:
    """Fail unless the metrics say exactly what the clients know; returns what they say, less what they said before."""
    expected = Tally()
    for visit in visits:
        expected.add(visit)
    earlier = before.total(REQUESTS) if before is not None else 0
    seen = server.scrape_until(lambda e: e.total(REQUESTS) >= earlier + len(visits))
    measured = Tally.of_metrics(seen)
    if before is not None:
        measured -= Tally.of_metrics(before)
    for visit in visits:
        # How much arrived before a reset, or was sent before the server noticed that nobody listens, nobody knows.
        for tally in (measured, expected):
            if visit.sent is None:
                tally.sent.pop(visit.endpoint, None)
            if visit.received is None:
                tally.received.pop(visit.endpoint, None)
    assert measured.requests == expected.requests
    assert measured.received == expected.received
    assert measured.sent == expected.sent
    assert measured.aborted == expected.aborted
    assert measured.exceptions == expected.exceptions
    return measured
