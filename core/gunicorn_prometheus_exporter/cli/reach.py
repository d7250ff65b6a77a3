"""Reaching a metrics endpoint from the command line."""

from __future__ import annotations

import argparse
import base64
import http.client
import ssl
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from .command import CommandFailed

# What a server may send before it is taken for something else than an exporter.
_LARGEST_PAGE: Final = 256 << 20


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say how to connect."""
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="default: 5")
    parser.add_argument("--cert", metavar="FILE", help="client's certificate, where the endpoint wants one")
    parser.add_argument("--key", metavar="FILE", help="its private key, if it is in a file of its own")


def parse_url(text: str) -> SplitResult:
    """Raises CommandFailed for what is no URL of a server."""
    url = urlsplit(text)
    try:
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise CommandFailed(f"URL: {text!r} is not http://host:port or https://host:port")
    return url


def connect(
    url: SplitResult, arguments: argparse.Namespace, context: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    """A connection that is made when it is used. ``context`` says whom to trust; default: the system's authorities.

    Raises OSError for certificates that cannot be used.
    """
    host = url.hostname or ""
    if url.scheme == "http":
        return http.client.HTTPConnection(host, url.port, timeout=arguments.timeout)
    if context is None:
        context = ssl.create_default_context()
    if arguments.cert is not None:
        context.load_cert_chain(arguments.cert, arguments.key)
    return http.client.HTTPSConnection(host, url.port, timeout=arguments.timeout, context=context)


def without_user(url: SplitResult) -> SplitResult:
    """``url`` for people to see."""
    return url._replace(netloc=url.netloc.rpartition("@")[2])


def credentials_in(url: SplitResult) -> dict[str, str]:
    """The header that shows the user and password in ``url``, if there are any."""
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of ``path``, and the connection is closed. Raises OSError and http.client.HTTPException."""
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(_LARGEST_PAGE)
    finally:
        connection.close()
