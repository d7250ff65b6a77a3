"""What a worker writes down about each request, and what is found of those it did not finish."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gunicorn_prometheus_exporter.catalogue import BY_STATUS, CATALOGUE, INTERNAL, SIZE_BUCKETS
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.settings.buckets import Buckets
from tests.core.recorder.recording import Recording

REQUESTS = "gunicorn_http_requests_total"
DURATIONS = "gunicorn_http_request_duration_seconds_count"
SENT = "gunicorn_http_response_size_bytes_sum"
DROPPED = "gunicorn_exporter_dropped_series_total"
IN_PROGRESS = "gunicorn_worker_requests_in_progress"


def test_one_request(tmp_path: Path) -> None:
    """All its numbers, and a free cell."""
    recording = Recording(tmp_path)
    recording.serve("POST", "/users/<int:id>", 201, 300)
    assert recording.values(REQUESTS) == {("/users/<int:id>", "POST", "201"): 1}
    assert recording.values(DURATIONS) == {("/users/<int:id>", "POST"): 1}
    assert recording.values(SENT) == {("/users/<int:id>", "POST"): 300}
    assert not recording.journal.busy()
    assert len(recording.journal.free) == 4


def test_labels_are_bounded(tmp_path: Path) -> None:
    """Unknown methods are one, and who says nothing of a route was not routed."""
    recording = Recording(tmp_path)
    for method in ("BREW", "get", "GET"):
        recording.serve(method)
    assert recording.values(REQUESTS) == {("__unrouted__", "_OTHER", "200"): 2, ("__unrouted__", "GET", "200"): 1}


def test_series_over_the_cap(tmp_path: Path) -> None:
    """Endpoints over the cap share one, each of their requests is counted as dropped, and known ones go on."""
    recording = Recording(tmp_path, max_series=10)
    for number in range(50):
        recording.serve(endpoint=f"/{number}")
    recording.serve(endpoint="/3")
    found = recording.values(REQUESTS)
    assert len(found) == 11
    assert found["__other__", "GET", "200"] == 40
    assert found["/3", "GET", "200"] == 2
    assert recording.values(DURATIONS)["__other__", "GET"] == 40
    assert recording.values(DROPPED) == {("gunicorn_http_requests",): 40}


def test_the_cap_is_the_slots(tmp_path: Path) -> None:
    """The next worker of the slot counts what it finds, so a worker that is recycled does not make room."""
    for worker in range(3):
        recording = Recording(tmp_path, max_series=10)
        for number in range(8):
            recording.serve(endpoint=f"/{worker}/{number}")
    found = recording.values(REQUESTS)
    assert len(found) == 11
    assert found["__other__", "GET", "200"] == 14
    assert sum(found.values()) == 24


def test_statuses_and_methods_count_towards_the_cap(tmp_path: Path) -> None:
    """And the overflow keeps them apart, which is bounded by how many there are."""
    recording = Recording(tmp_path, max_series=10)
    for number in range(30):
        recording.serve(endpoint="/a", status=200 + number)
    found = recording.values(REQUESTS)
    assert sum(found.values()) == 30
    assert len([labels for labels in found if labels[0] == "/a"]) == 10
    assert len([labels for labels in found if labels[0] == "__other__"]) == 20


def test_in_progress(tmp_path: Path) -> None:
    """Up and down, and no further than to zero."""
    recording = Recording(tmp_path)
    requests = [recording.begin() for _ in range(3)]
    assert list(recording.values(IN_PROGRESS).values()) == [3]
    for request in requests:
        recording.recorder.finish(request, None)
    assert list(recording.values(IN_PROGRESS).values()) == [0]


@pytest.mark.parametrize("cells", [1, 4])
def test_unfinished_requests_are_counted_by_the_next_owner(tmp_path: Path, cells: int) -> None:
    """With the endpoint and the status they had got to; one without any status becomes a 500 that was cut short."""
    killed = Recording(tmp_path)
    killed.serve(endpoint="/done")
    killed.begin("GET", "/started").start_response("202 Accepted", [])
    killed.begin("POST", "/waiting")
    killed.begin("BREW")
    heir = Recording(tmp_path, cells)
    heir.recorder.recover_all()
    assert heir.values(REQUESTS) == {
        ("/done", "GET", "200"): 1,
        ("/started", "GET", "202"): 1,
        ("/waiting", "POST", "500"): 1,
        ("__unrouted__", "_OTHER", "500"): 1,
    }
    assert sum(heir.values(DURATIONS).values()) == 4
    assert heir.values("gunicorn_http_aborted_responses_total") == {
        ("/waiting", "POST"): 1,
        ("__unrouted__", "_OTHER"): 1,
    }
    heir.recorder.recover_all()
    assert sum(heir.values(REQUESTS).values()) == 4


def test_more_at_once_than_cells(tmp_path: Path) -> None:
    """Every request is counted when it ends, remembered or not."""
    recording = Recording(tmp_path, cells=2)
    requests = [recording.begin(endpoint=f"/{number}") for number in range(5)]
    for request in requests:
        request.start_response("200 OK", [])
        recording.recorder.finish(request, None)
    assert len(recording.values(REQUESTS)) == 5
    assert len(recording.journal.free) == 2
    assert not recording.journal.busy()


def test_threads(tmp_path: Path) -> None:
    """Many requests at once, on endpoints old and new: none is lost."""
    recording = Recording(tmp_path, cells=8, max_series=50)

    def work(number: int) -> None:
        for turn in range(300):
            recording.serve(endpoint=f"/{(turn * 7 + number) % 80}", size=2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(recording.values(REQUESTS).values()) == 2400
    assert sum(recording.values(DURATIONS).values()) == 2400
    assert sum(recording.values(SENT).values()) == 4800
    assert list(recording.values(IN_PROGRESS).values()) == [0]
    assert len(recording.values(REQUESTS)) == 51
    assert not recording.failures


def test_time_to_first_byte(tmp_path: Path) -> None:
    """Only if it was asked for, and only of responses that started."""
    name = "gunicorn_http_time_to_first_byte_seconds_count"
    recording = Recording(tmp_path, time_to_first_byte=True)
    recording.serve(endpoint="/a")
    recording.recorder.finish(recording.begin(endpoint="/a"), ValueError())
    assert recording.values(name) == {("/a", "GET"): 1}
    without = Recording(tmp_path / "without")
    without.serve()
    assert without.values(name) == {}


def test_refusals_and_failures(tmp_path: Path) -> None:
    """Counted by reason and by component."""
    recording = Recording(tmp_path)
    recording.recorder.refuse("invalid_header")
    recording.recorder.failed("storage")
    recording.recorder.failed("storage")
    assert recording.values("gunicorn_http_parse_errors_total")["invalid_header",] == 1
    assert recording.values("gunicorn_exporter_errors_total") == {("storage",): 2}
    assert recording.values(REQUESTS) == {}


def test_error_types_are_bounded(tmp_path: Path) -> None:
    """A class made for each request is no series for each request."""
    recording = Recording(tmp_path, max_error_types=5)
    for number in range(20):
        recording.recorder.finish(recording.begin(endpoint="/a"), type(f"Error{number}", (Exception,), {})())
    found = recording.values("gunicorn_http_exceptions_total")
    assert sum(found.values()) == 20
    assert len(found) == 6
    assert found["/a", "__other__", "false", "GET", "wsgi"] == 15


def test_buckets_of_ones_own(tmp_path: Path) -> None:
    """Sizes and durations are where they belong, whatever the bounds are; other families keep theirs."""
    chosen = (
        Buckets("gunicorn_http_response_size_bytes", (1.0, 10.0, 1000.5)),
        Buckets("gunicorn_http_request_duration_seconds", (100.0, 200.0)),
    )
    recording = Recording(tmp_path, buckets=chosen)
    for size in (0, 1, 2, 10, 11, 1000, 1001):
        recording.serve(endpoint="/", size=size)
    buckets = recording.values("gunicorn_http_response_size_bytes_bucket")
    assert {key[1]: value for key, value in buckets.items()} == {"1.0": 2, "10.0": 4, "1000.5": 6, "+Inf": 7}
    durations = recording.values("gunicorn_http_request_duration_seconds_bucket")
    assert {key[1]: value for key, value in durations.items()} == {"100.0": 7, "200.0": 7, "+Inf": 7}
    received = recording.values("gunicorn_http_request_size_bytes_bucket")
    assert len(received) == len(SIZE_BUCKETS) + 1
    recording.begin(endpoint="/")
    recording.recorder.recover_all()
    assert sum(recording.values("gunicorn_http_request_duration_seconds_count").values()) == 8


def test_buckets_of_ones_own_by_status(tmp_path: Path) -> None:
    """OpenTelemetry's naming has the histograms in other families, with the same buckets."""
    chosen = (Buckets("gunicorn_http_request_duration_seconds", (100.0,)),)
    recording = Recording(tmp_path, buckets=chosen, naming="otel")
    recording.serve(endpoint="/")
    buckets = recording.values("gunicorn_http_request_duration_by_status_seconds_bucket")
    assert {key[1]: value for key, value in buckets.items()} == {"100.0": 1, "+Inf": 1}


OFF = {
    "all": tuple(CATALOGUE),
    "but the requests": tuple(name for name in CATALOGUE if name != "gunicorn_http_requests"),
    "but the sizes": tuple(name for name in CATALOGUE if "size" not in name),
    "the durations": ("gunicorn_http_request_duration_seconds",),
}


@pytest.mark.parametrize("naming", ["prometheus", "otel"])
@pytest.mark.parametrize("off", OFF.values(), ids=OFF)
def test_families_that_are_off(tmp_path: Path, off: tuple[str, ...], naming: str) -> None:
    """Only the others are in the segments, and right; caps and the journal work without them."""
    recording = Recording(tmp_path, disabled_families=off, max_series=10, time_to_first_byte=True, naming=naming)
    for number in range(20):
        request = recording.begin(endpoint=f"/{number}")
        request.handled(ValueError(), "flask")
        request.start_response("200 OK", [])
        request.response.write(b"abc")
        recording.recorder.finish(request, None)
    recording.recorder.refuse("limit")
    recording.recorder.failed("recorder")
    recording.begin(endpoint="/lost")
    recording.recorder.recover_all()
    assert not recording.journal.busy()
    assert len(recording.recorder._series.known["GET"]) <= 11
    stored = [family.name for family in MultiProcessCollector(CollectorRegistry(), path=str(tmp_path)).collect()]
    known = {**CATALOGUE, **INTERNAL}
    assert not [name for name in stored if not Settings(disabled_families=off).records(known[name])]
    if "gunicorn_http_requests" not in off:
        assert sum(recording.values("gunicorn_http_requests_total").values()) == 21
        assert len(recording.values("gunicorn_http_requests_total")) <= 12
    if "gunicorn_http_response_size_bytes" not in off:
        sizes = "gunicorn_http_response_size_bytes" if naming == "prometheus" else BY_STATUS[SENT[:-4]].name
        assert sum(recording.values(f"{sizes}_sum").values()) == 60
        assert len(recording.values(f"{sizes}_sum")) <= 12
