"""What is recorded for OpenTelemetry's names: histograms by status and URL scheme, within one cap."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gunicorn_prometheus_exporter.scrape.directory import DirectorySource
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.recorder.recording import Recording, Response
from tests.e2e.exposition import Exposition

COUNT = "http_server_request_duration_seconds_count"


def serve(recording: Recording, endpoint: str, status: int = 200, scheme: str = "http") -> None:
    body = SimpleNamespace(reader=SimpleNamespace(length=0))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": body, "wsgi.url_scheme": scheme}
    request = recording.recorder.beginning(environ, Response().start_response)
    request.endpoint(endpoint)
    request.start_response(f"{status} Status", [])
    recording.recorder.finish(request, None)


def shown(directory: Path) -> Exposition:
    scraper = Scraper(DirectorySource(str(directory)), naming="otel")
    return Exposition(scraper.render(openmetrics=True).decode(), openmetrics=True)


def test_by_status_and_scheme(tmp_path: Path) -> None:
    """Each has its own; a scheme that there is not has none."""
    recording = Recording(tmp_path, naming="otel")
    for scheme in ("http", "https", "https", "gopher"):
        for status in (200, 503):
            serve(recording, "/a", status, scheme)
    found = {
        (sample.labels["http_response_status_code"], sample.labels.get("url_scheme")): sample.value
        for sample in shown(tmp_path).samples(COUNT)
    }
    requests = {"http": 1, "https": 2, None: 1}
    assert found == {(status, scheme): count for status in ("200", "503") for scheme, count in requests.items()}


def test_one_cap_for_all_schemes(tmp_path: Path) -> None:
    """Label sets over it are an overflow, and what there is already goes on, for the slot's next worker too."""
    for _ in range(2):
        recording = Recording(tmp_path, naming="otel", max_series=10)
        for number in range(20):
            for scheme in ("http", "https"):
                serve(recording, f"/{number}", scheme=scheme)
    seen = shown(tmp_path)
    assert len(seen.samples(COUNT)) == 10 + 2
    assert seen.total(COUNT) == 80
    assert seen.total(COUNT, otel_metric_overflow="true") == 60
    assert seen.value(COUNT, http_route="/0", url_scheme="https") == 2


@pytest.mark.parametrize("unfinished", ["/a", None])
def test_a_killed_workers(tmp_path: Path, unfinished: str | None) -> None:
    """Request is counted without a scheme."""
    first = Recording(tmp_path, naming="otel")
    first.begin(endpoint=unfinished)
    Recording(tmp_path, naming="otel").recorder.recover_all()
    [sample] = shown(tmp_path).samples(COUNT)
    assert sample.value == 1
    assert sample.labels.get("http_route") == unfinished
    assert sample.labels["http_response_status_code"] == sample.labels["error_type"] == "500"
    assert "url_scheme" not in sample.labels
