"""Which format and encoding each client gets."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.server.negotiation import accepts_gzip, prefers_openmetrics

OM = "application/openmetrics-text"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        pytest.param("", False, id="no header"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", False, id="browser"),
        pytest.param("text/plain;version=0.0.4;q=1,*/*;q=0.1", False, id="Prometheus 2.0"),
        pytest.param(f"{OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False, id="Prometheus 2.5"),
        pytest.param(
            f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
            id="Prometheus 2.41",
        ),
        pytest.param(
            f"{PROTOBUF},{OM};version=1.0.0;q=0.8,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
            id="Prometheus 2.41 with native histograms",
        ),
        pytest.param(
            f"{OM};version=1.0.0;q=0.5,{OM};version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
            id="Prometheus 2.49",
        ),
        pytest.param(
            f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.5,{OM};version=0.0.1;q=0.4,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            True,
            id="Prometheus 3.0",
        ),
        pytest.param(
            f"{PROTOBUF};q=0.7,{OM};version=1.0.0;escaping=allow-utf-8;q=0.6,{OM};version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
            id="Prometheus 3 with native histograms",
        ),
        pytest.param(
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,"
            f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3",
            False,
            id="Prometheus 3 that prefers text",
        ),
        pytest.param(OM, True, id="no version"),
        pytest.param(f'{OM.upper()} ; Version="1.0.0" ; Charset=utf-8', True, id="case, spaces and quotes"),
        pytest.param(f"{OM};version=2.0.0", False, id="a version to come"),
        pytest.param("text/plain;version=1.0.0", False, id="a text version we do not speak"),
        pytest.param(f"text/plain;version=1.0.0;q=1,{OM};q=0.5", True, id="... and OpenMetrics"),
        pytest.param(f"{OM},*/*", True, id="the exact one of equals"),
        pytest.param(f"{OM},text/plain", True, id="the first of equals"),
        pytest.param(f"text/plain,{OM}", False, id="the first of equals, the other way round"),
        pytest.param("application/*", True, id="half a wildcard"),
        pytest.param(f"{OM};q=0,*/*", False, id="excluded"),
        pytest.param(f"{OM};q=0", False, id="nothing left"),
        pytest.param(f"{OM};q=0.9,text/plain;q=0.99", False, id="quality"),
        pytest.param(f"{OM};q=nan,text/plain;q=0.1", False, id="quality that is no number"),
        pytest.param(f"{OM};q=-1", False, id="quality below zero"),
        pytest.param(",;,;q=1,/,text", False, id="garbage"),
    ],
)
def test_format(accept: str, openmetrics: bool) -> None:
    """OpenMetrics 1.0.0 goes to those who prefer it to the text format, and text to everybody else."""
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("identity;q=0.5, gzip;q=0.4", False),
        ("identity;q=0.5, gzip", True),
        ("identity;q=0, gzip;q=0.1", True),
        ("*", True),
        ("*;q=0", False),
        ("br", False),
        ("gzipped", False),
        (";q=,", False),
    ],
)
def test_encoding(accept_encoding: str, gzip: bool) -> None:
    """Gzip goes only to those who take it, and want it no less than the plain page."""
    assert accepts_gzip(accept_encoding) is gzip
