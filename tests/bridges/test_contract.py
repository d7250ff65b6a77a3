"""Every bridge yields the same for the same scenario: `tests/bridges/contract.py` names them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.bridges.contract import SCENARIOS, Framework, Tally, Visit, Visitor, read_ledger
from tests.bridges.frameworks import FRAMEWORKS
from tests.e2e.harness import Gunicorn

REQUESTS = "gunicorn_http_requests_total"
MIXED = int(os.environ.get("BRIDGE_REQUESTS", "1500"))
CLIENTS = 4

PAIRS = [(framework, name) for framework in FRAMEWORKS for name in framework.worker_classes]
Serve = Callable[[Framework, str], Gunicorn]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(serve: Serve, framework: Framework, scenario: str) -> None:
    """One request of each kind leaves exactly what the client saw of it."""
    if scenario in framework.lacks:
        return
    server = serve(framework, framework.worker_classes[0])
    visit = SCENARIOS[scenario](Visitor(server.port, framework))
    assert_tally(server, [visit])


@pytest.mark.parametrize(("framework", "worker_class"), PAIRS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.timeout(300)
def test_mixed_run(serve: Serve, framework: Framework, worker_class: str) -> None:
    """Counts, bytes and exceptions of many mixed requests equal what the client and the application counted."""
    server = serve(framework, worker_class)
    names = sorted(set(SCENARIOS) - framework.lacks)

    def client(number: int) -> list[Visit]:
        visitor, random = Visitor(server.port, framework, number), Random(number)
        return [SCENARIOS[random.choice(names)](visitor) for _ in range(MIXED // CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        visits = [visit for found in pool.map(client, range(CLIENTS)) for visit in found]
    measured = assert_tally(server, visits)

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


def assert_tally(server: Gunicorn, visits: list[Visit]) -> Tally:
    """Fail unless the metrics say exactly what the clients know; returns what the metrics say."""
    expected = Tally()
    for visit in visits:
        expected.add(visit)
    seen = server.scrape_until(lambda e: e.total(REQUESTS) >= len(visits))
    measured = Tally.of_metrics(seen)
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
