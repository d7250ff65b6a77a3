"""HTTP/2: each stream is a request, with its sizes both ways, on the worker classes that can serve it."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import GUNICORN_MAJOR
from tests.e2e.harness import Gunicorn
from tests.e2e.site import REQUESTS, Site

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.skipif(GUNICORN_MAJOR < 25, reason="Gunicorn speaks HTTP/2 from 25 on"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, and its key beside it."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", path.with_suffix(".key"), "-out", path]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    return path


@pytest.fixture(params=["gthread", "gevent"])
def site(request: pytest.FixtureRequest, gunicorn: Callable[..., Gunicorn], certificate: Path) -> Site:
    """The traffic application behind TLS."""
    tls = ["--certfile", str(certificate), "--keyfile", str(certificate.with_suffix(".key"))]
    app = Path(__file__).with_name("traffic_app.py")
    args = [*tls, "--http-protocols", "h2,h1", "--threads", "4"]
    return Site(gunicorn(app, worker_class=request.param, args=args), request.param)


@pytest.fixture
def client(site: Site, certificate: Path) -> Iterator[httpx.Client]:
    """A client that insists on HTTP/2."""
    with httpx.Client(**connection_to(site, certificate)) as client:
        yield client


def connection_to(site: Site, certificate: Path) -> dict[str, Any]:
    """The arguments of a client, of either kind."""
    return {
        "http1": False,
        "http2": True,
        "verify": ssl.create_default_context(cafile=certificate),
        "base_url": f"https://localhost:{site.server.port}",
        "timeout": 20,
    }


async def sizes_of(paths: Sequence[str], **connection: Any) -> list[int]:
    """The sizes of pages that are asked for at once; httpx's client for threads mixes streams up."""
    async with httpx.AsyncClient(**connection) as client:
        return [len(response.content) for response in await asyncio.gather(*map(client.get, paths))]


def test_streams(site: Site, client: httpx.Client, certificate: Path) -> None:
    """Requests one after the other on a connection, and ten at once on another: counts and sizes are exact."""
    for _ in range(5):
        response = client.get("/plain/2?size=1000")
        assert (response.http_version, len(response.content)) == ("HTTP/2", 1000)
    sizes = range(0, 50_000, 5000)
    paths = [f"/plain/many?size={size}" for size in sizes]
    assert asyncio.run(sizes_of(paths, **connection_to(site, certificate))) == list(sizes)
    plain, many = site.recorded("/plain/2", 5), site.recorded("/plain/many", 10)
    assert (plain.requests, plain.sent, plain.received) == ({("GET", "200"): 5}, 5000, 0)
    assert (many.requests, many.sent) == ({("GET", "200"): 10}, sum(range(0, 50_000, 5000)))
    assert site.all_requests() == 15


@pytest.mark.parametrize("size", [0, 1, 5000, 60_000])
def test_uploads(site: Site, client: httpx.Client, size: int) -> None:
    """The body's bytes are counted when the application reads them, sized and streamed."""
    assert client.post("/read/sized", content=b"y" * size).text == str(size)
    assert client.put("/read/streamed", content=iter([b"y" * (size // 2), b"y" * (size - size // 2)])).text == str(size)
    assert site.recorded("/read/sized").received == size
    assert site.recorded("/read/streamed").received == size


def test_responses(site: Site, client: httpx.Client) -> None:
    """Streams, files, errors and statuses without a body."""
    assert len(client.get("/stream/2?parts=4&size=3000").content) == 12_000
    assert len(client.get("/file/2?size=40000&length=1").content) == 40_000
    assert client.get("/status/none?status=204%20No%20Content").status_code == 204
    assert client.get("/raise/2?error=ValueError").status_code == 500
    assert client.get("/status/gone?status=410%20Gone&size=30").status_code == 410
    assert site.recorded("/stream/2").sent == 12_000
    assert site.recorded("/file/2").sent == 40_000
    assert site.recorded("/status/none").sent == 0
    failed = site.recorded("/raise/2")
    assert (failed.requests, failed.exceptions, failed.aborted) == ({("GET", "500"): 1}, {"ValueError": 1}, 0)
    assert site.recorded("/status/gone").requests == {("GET", "410"): 1}


@pytest.mark.skipif(GUNICORN_MAJOR < 26, reason="Gunicorn 25 answers HEAD with a body, which the client refuses")
def test_head(site: Site, client: httpx.Client) -> None:
    """No body, no bytes."""
    assert client.head("/plain/head?size=700").status_code == 200
    head = site.recorded("/plain/head")
    assert (head.requests, head.sent) == ({("HEAD", "200"): 1}, 0)


def test_http_1_beside_it(site: Site, client: httpx.Client, certificate: Path) -> None:
    """The same port, the old protocol."""
    assert client.get("/plain/both").status_code == 200
    with httpx.Client(verify=ssl.create_default_context(cafile=certificate)) as old:
        assert old.get(f"https://localhost:{site.server.port}/plain/both?size=100").http_version == "HTTP/1.1"
    assert site.recorded("/plain/both", 2).sent == 105


def test_tls_errors(site: Site) -> None:
    """Who speaks plain HTTP to a TLS port is no request, and the next client is served."""
    with site.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.read_all()
    assert site.server.scrape().total(REQUESTS) == 0
