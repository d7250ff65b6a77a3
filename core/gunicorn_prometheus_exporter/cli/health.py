"""``health``: whether a metrics endpoint answers, for the health check of a container."""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import sys
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ..server.policy import read_policy
from ..settings import settings_from
from .command import Command
from .reach import add_connection_arguments, connect, get, parse_url

_HEALTHY: Final = "/-/healthy"
_READY: Final = "/-/ready"
# An endpoint that listens on all addresses of a family answers on this one, too.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", help="of the endpoint; default: where the settings put it")
    parser.add_argument("--ready", action="store_true", help="ask whether it is ready, not only whether it answers")
    add_connection_arguments(parser)


def _run(arguments: argparse.Namespace) -> int:
    url, headers = _target(arguments.url)
    path = _READY if arguments.ready else _HEALTHY
    try:
        status, _ = get(connect(url, arguments, _trusting_anybody()), path, headers)
    except (OSError, http.client.HTTPException) as error:
        print(f"{url.geturl()}: no answer: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{url.geturl()}{path}: {status}")  # noqa: T201
    return 0 if status == http.client.OK else 1


def _trusting_anybody() -> ssl.SSLContext:
    # This asks for a sign of life and shows nothing in return; the certificate names a public host, not this one.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _target(given: str | None) -> tuple[SplitResult, dict[str, str]]:
    """The endpoint's URL, and the headers that it wants. Only the settings' own endpoint is shown their token."""
    if given is not None:
        return parse_url(given), {}
    settings = settings_from(os.environ, None)
    policy = read_policy(settings)
    host = _LOOPBACK.get(settings.bind_address, settings.bind_address)
    scheme = "http" if policy.context is None else "https"
    url = urlsplit(f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.metrics_port}")
    return url, {} if policy.token is None else {"Authorization": f"Bearer {policy.token}"}


HEALTH: Final = Command(
    "health",
    "Ask the metrics endpoint whether it answers, or with --ready whether it is ready. "
    "Exit status: 0 yes, 1 no, 2 wrong use.",
    _add_arguments,
    _run,
)
