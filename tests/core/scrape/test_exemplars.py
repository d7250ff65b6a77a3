"""Exemplars behind the buckets of an exposition, from files and from memory."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gunicorn_prometheus_exporter.recorder.exemplars import ExemplaryRecorder
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from gunicorn_prometheus_exporter.scrape.stores import source_of
from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.storage.exemplars import Trace
from gunicorn_prometheus_exporter.storage.files import open_named
from gunicorn_prometheus_exporter.storage.memory import open_memory
from gunicorn_prometheus_exporter.storage.segments import Segments, Store
from tests.core.recorder.recording import Response
from tests.e2e.exposition import Exposition

BUCKET = "gunicorn_http_request_duration_seconds_bucket"
SPAN = "00f067aa0ba902b7"


def fail(_: str, error: BaseException) -> None:
    raise error


def on_files(directory: Path) -> Store:
    return open_named(str(directory), fail, cleanup=False, uid=os.getuid(), gid=os.getgid())


def recorder(store: Store, owner: str = "1", **settings: Any) -> ExemplaryRecorder:
    segments = Segments(store, owner)
    made = ExemplaryRecorder(segments, store.open_journal(owner, 4), Settings(**settings))
    made.keep_exemplars(segments.exemplars())
    return made


def serve(by: ExemplaryRecorder, trace: str, *, endpoint: str = "/a", ago: float = 0.0, flags: str = "01") -> None:
    """A request that began so many seconds ago."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "wsgi.input": SimpleNamespace(reader=SimpleNamespace(length=0)),
        "wsgi.url_scheme": "http",
        "HTTP_TRACEPARENT": f"00-{trace * 32}-{SPAN}-{flags}",
    }
    request = by.beginning(environ, Response().start_response)
    request.endpoint(endpoint)
    request.start -= ago
    request.start_response("200 OK", [])
    by.finish(request, None)


def exemplars(store: Store, **options: Any) -> dict[tuple[str, str], tuple[str, float]]:
    """By endpoint and bucket, the first letter of the trace, and the value."""
    seen = Exposition(
        Scraper(source_of(store), exemplars=True, **options).render(openmetrics=True).decode(), openmetrics=True
    )
    found = {}
    for family in seen.families.values():
        for sample in family.samples:
            if sample.exemplar is not None:
                assert sample.exemplar.labels["span_id"] == SPAN
                trace = sample.exemplar.labels["trace_id"]
                assert trace == trace[0] * 32
                endpoint = sample.labels.get("endpoint") or sample.labels["http_route"]
                found[endpoint, sample.labels["le"]] = trace[0], sample.exemplar.value
    return found


def test_the_last_of_each_bucket(tmp_path: Path) -> None:
    """Over all workers, if its trace is sampled."""
    for store in (on_files(tmp_path), open_memory(fail)):
        one, other = recorder(store), recorder(store, "2")
        serve(one, "a", ago=0.2)
        serve(other, "b", ago=0.2)
        serve(one, "c", ago=0.2, flags="00")
        serve(one, "d", ago=100)
        serve(other, "e", endpoint="/b", ago=0.07)
        found = exemplars(store)
        assert {place: trace for place, (trace, _) in found.items()} == {
            ("/a", "0.25"): "b",
            ("/a", "+Inf"): "d",
            ("/b", "0.1"): "e",
        }
        assert 0.2 <= found["/a", "0.25"][1] <= 0.25
        assert found["/a", "+Inf"][1] > 100
        assert exemplars(store, naming="otel", constant_labels=(("a", "b"),)) == found
        assert b"trace_id" not in Scraper(source_of(store)).render(openmetrics=True)
        assert b"trace_id" not in Scraper(source_of(store), exemplars=True).render()
        assert b"trace_id" not in Scraper(source_of(store), exemplars=True).render(openmetrics=True, names=["a_total"])


def test_recorded_for_the_conventions(tmp_path: Path) -> None:
    """They are the same under both names."""
    store = on_files(tmp_path)
    serve(recorder(store, naming="otel"), "a", ago=0.2)
    assert exemplars(store).keys() == exemplars(store, naming="otel").keys() == {("/a", "0.25")}


def test_what_does_not_belong(tmp_path: Path) -> None:
    """Whatever is written there, the page is one that a strict parser takes."""
    store = on_files(tmp_path)
    by = recorder(store)
    serve(by, "a", ago=0.2)
    area = Segments(store, "7").exemplars()
    labels = {"endpoint": "/a", "method": "GET"}

    def put(value: float, at: float = 1.0, sample: str = BUCKET, **more: str) -> None:
        metric = BUCKET.removesuffix("_bucket")
        key = json.dumps([metric, sample, {**labels, **more}, ""]).encode()
        area.put(key, value, at, Trace(b"\x77" * 16, bytes.fromhex(SPAN)))

    # Each with a record of its own, for the same bucket.
    put(math.nan, le="0.5")
    put(math.inf, le="0.50")
    put(-1.0, le="0.500")
    put(0.6, le="0.5000")
    put(0.4, le="5e-1", at=math.nan)
    put(0.4, le="50e-2", at=1e300)
    put(0.4, le="0.4")
    put(0.4, le="0.5", more="1")
    put(0.4, sample=BUCKET.replace("_bucket", "_sum"))
    area.put(b"no key", 0.4, 1.0, Trace(b"\x77" * 16, bytes.fromhex(SPAN)))
    assert exemplars(store).keys() == {("/a", "0.25")}
    put(0.4, le="500e-3")
    assert exemplars(store)["/a", "0.5"] == ("7", 0.4)
