"""What keeps the way of a request cheap, and why that is safe."""

from __future__ import annotations

import dis
import gc
import inspect
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gunicorn_prometheus_exporter.catalogue import SIZE_BUCKETS
from gunicorn_prometheus_exporter.gil import locked
from gunicorn_prometheus_exporter.recorder.asgi_recorder import ASGIRecorder
from gunicorn_prometheus_exporter.recorder.recorder import Recorder, bucket_of_bits
from gunicorn_prometheus_exporter.storage.journal import FREE
from tests.core.recorder.recording import Recording

SENT = "gunicorn_http_response_size_bytes_"
REQUESTS = "gunicorn_http_requests_total"


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as the interpreter lets them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    ("method", "first", "last"),
    [
        (Recorder.begin, "doubles[start_word] =", "doubles[BUSY_WORD] ="),
        (Recorder._write, "counters[index] +=", "doubles[BUSY_WORD] ="),
        (ASGIRecorder._enter, "doubles[start_word] =", "doubles[BUSY_WORD] ="),
    ],
)
def test_lines_that_must_be_one_step(method: Any, first: str, last: str) -> None:
    """No instruction of theirs lets in another thread or a signal handler: none is a call, none goes back."""
    method = inspect.unwrap(method)
    lines, start = inspect.getsourcelines(method)
    begins = start + next(number for number, line in enumerate(lines) if first in line)
    ends = start + next(number for number, line in enumerate(lines) if last in line)
    code = method.__code__
    line_of = {offset: line for begin, end, line in code.co_lines() for offset in range(begin, end)}
    found = [each.opname for each in dis.get_instructions(code) if begins <= (line_of[each.offset] or 0) <= ends]
    assert len(found) > 20
    assert not [name for name in found if name.startswith(("CALL", "PRECALL", "JUMP_BACK", "FOR_", "SEND", "WITH"))]


def test_the_cell_of_a_finished_request(tmp_path: Path) -> None:
    """It is free, and what still speaks of the request does not write into it."""
    recording = Recording(tmp_path)
    request = recording.begin(endpoint="/a")
    status_word = request.cell[0]
    assert recording.journal.words[status_word] != FREE
    recording.recorder.finish(request, None)
    assert recording.journal.words[status_word] == FREE
    assert request.cell[0] != status_word


@pytest.mark.parametrize("bound", [int(bound) for bound in SIZE_BUCKETS])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_sizes_around_the_bounds(tmp_path: Path, bound: int, beyond: int) -> None:
    """A bound belongs to its bucket: prometheus_client's own collector makes them cumulative."""
    recording = Recording(tmp_path)
    request = recording.begin(endpoint="/a")
    request.start_response("200 OK", [])
    request.response.sent = bound + beyond
    request.body.length = -(bound + beyond)
    recording.recorder.finish(request, None)
    for name in (SENT, "gunicorn_http_request_size_bytes_"):
        buckets = recording.values(name + "bucket")
        reached = [float(le) for (_, le, _), count in buckets.items() if count]
        assert min(reached) == (*SIZE_BUCKETS, float("inf"))[bisect_left(SIZE_BUCKETS, bound + beyond)]
        assert recording.values(name + "sum") == {("/a", "GET"): bound + beyond}


@given(st.sets(st.integers(1, 50), min_size=1), st.one_of(st.integers(0, 2**53), st.integers(0, 2**12)))
def test_sizes_are_found_by_their_bits_as_by_a_search(exponents: set[int], size: int) -> None:
    """Whatever powers of two the bounds are, and for any size: the table of bits says what the bounds do."""
    bounds = tuple(float(2**exponent) for exponent in sorted(exponents))
    of_bits = bucket_of_bits(bounds)
    assert of_bits is not None
    assert of_bits[(size - 1).bit_length()] == bisect_left(bounds, size)


def test_bounds_that_are_no_powers_of_two_are_searched() -> None:
    """There is no table of bits for them."""
    assert bucket_of_bits((256.0, 1000.0)) is None


def test_threads_that_switch_all_the_time(tmp_path: Path, restless: None) -> None:
    """Nothing is lost although nothing is locked."""
    recording = Recording(tmp_path, cells=16)

    def work() -> None:
        for turn in range(400):
            recording.serve(endpoint=f"/{turn % 5}", size=turn)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(recording.values(REQUESTS).values()) == 16 * 400
    assert sum(recording.values(SENT + "count").values()) == 16 * 400
    assert sum(recording.values(SENT + "sum").values()) == 16 * sum(range(400))
    assert recording.values("gunicorn_worker_requests_in_progress") == {("1",): 0}
    assert not recording.journal.busy()
    assert len(recording.journal.free) == 16


class Sum:
    """Adds up in two steps between which another thread may come."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.RLock()

    def add(self, number: int) -> None:
        total = self.total
        self.reenter()
        self.total = total + number

    def reenter(self) -> None:
        for _ in range(20):
            self.nothing()

    def nothing(self) -> None:
        pass

    locked_nothing = locked(nothing)
    locked_add = locked(add)


def test_without_a_gil(restless: None) -> None:
    """There the same is done under a lock, which the holder may take again."""
    summed = Sum()
    summed.nothing = summed.locked_nothing  # type: ignore[method-assign]
    threads = [threading.Thread(target=lambda: [summed.locked_add(1) for _ in range(300)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert summed.total == 2400


def test_nothing_survives_a_request(tmp_path: Path) -> None:
    """Neither memory nor work for the garbage collector, once an endpoint is known."""
    recording = Recording(tmp_path)

    def serve() -> None:
        for number in range(500):
            recording.serve(endpoint=f"/{number % 50}", size=number)

    serve()
    gc.collect()
    gc.disable()
    try:
        # The collection has emptied the interpreter's own free lists.
        serve()
        before = sys.getallocatedblocks()
        serve()
        grown = sys.getallocatedblocks() - before
        cycles = gc.collect()
    finally:
        gc.enable()
    assert grown < 10
    assert cycles < 10
