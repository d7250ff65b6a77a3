"""The one place for what differs between the versions of Gunicorn, from 22 on."""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any, Final, Protocol

import gunicorn
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as http_errors
from gunicorn.http.wsgi import FileWrapper


class BodyMeter(Protocol):
    """Something whose ``length`` goes down from 0 by the bytes of a request body as they are received."""

    length: int


class _ReaderMeter:
    """A body's reader that counts what it got.

    Gunicorn's reader of chunks counts nothing, and that of a sized body counts what it was asked for, which is not what
    it got from a client that stops sending.
    """

    def __init__(self, reader: Any) -> None:
        self.length = 0
        self._reader = reader

    def read(self, size: int) -> bytes:
        data: bytes = self._reader.read(size)
        self.length -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class _StreamMeter:
    """Counts the payloads an HTTP/2 body takes from its stream (Gunicorn 26 on)."""

    def __init__(self, body: Any) -> None:
        self.length = 0
        self._next_chunk = body._next_chunk
        body._next_chunk = self._count

    def _count(self) -> bytes | None:
        chunk: bytes | None = self._next_chunk()
        if chunk is not None:
            self.length -= len(chunk)
        return chunk


class WholeBody:
    """An HTTP/2 body that was received before the application was called (Gunicorn 25).

    That version also collects the response and sends it behind the response object's back, which counts nothing.
    """

    def __init__(self, size: int) -> None:
        self.length = -size


def body_meter(body: Any) -> BodyMeter:
    """A meter for ``body``, the ``wsgi.input`` of a request that has a body, or may have one."""
    if hasattr(body, "reader"):
        body.reader = meter = _ReaderMeter(body.reader)
        return meter
    if hasattr(body, "_next_chunk"):
        return _StreamMeter(body)
    return WholeBody(len(body) if hasattr(body, "__len__") else 0)


def file_wrapper_frame(frame: FrameType) -> bool:
    """Whether ``frame`` is Gunicorn's file wrapper reading the application's file."""
    return isinstance(frame.f_locals.get("self"), FileWrapper)


def eventlet_sendfile_frame(frame: FrameType) -> bool:
    """Whether ``frame`` is the ``sendfile`` that Gunicorn's eventlet worker (up to 25) gives to sockets."""
    return frame.f_code.co_name == "_eventlet_socket_sendfile"


@contextmanager
def unpatched(eventlet: ModuleType) -> Iterator[None]:
    """Import Gunicorn's eventlet worker inside this, and ``eventlet`` patches nothing yet: the worker shall do that.

    From Gunicorn 24 on the import itself patches it, and so in the master, whose threads then are green. But its main
    loop waits for signals in a way of which eventlet does not know, so that none of them would ever run.
    """
    patch = eventlet.monkey_patch
    eventlet.monkey_patch = lambda **on: None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        eventlet.monkey_patch = patch  # type: ignore[attr-defined]


def peer_is_trusted(request: Any) -> bool:
    """Whether Gunicorn believes what the peer of its ``request`` says of a request's way (``forwarded_allow_ips``)."""
    peer, cfg = request.peer_addr, request.cfg
    if not isinstance(peer, tuple) or "*" in cfg.forwarded_allow_ips or peer[0] in cfg.forwarded_allow_ips:
        return True
    # Before 25 the setting lists addresses only.
    networks: Iterable[Any] = getattr(cfg, "forwarded_allow_networks", tuple)()
    try:
        address = ipaddress.ip_address(peer[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


def own_listener_addresses(arbiter: Any) -> list[tuple[str, int]]:
    """The TCP addresses on which each worker of ``arbiter`` has a listener of its own: ``reuse_port``, from 24 on."""
    if not arbiter.cfg.reuse_port or gunicorn.version_info < (24,):
        return []
    return [address[:2] for address in arbiter.cfg.address if isinstance(address, tuple)]


def _named(*names: str) -> tuple[type[Exception], ...]:
    return tuple(getattr(http_errors, name) for name in names if hasattr(http_errors, name))


# Gunicorn refuses a request with these; the reason is what the metric calls it. Those a version lacks cannot occur.
_REFUSALS: Final = {
    "InvalidRequestLine": "invalid_request_line",
    "InvalidRequestMethod": "invalid_request_method",
    "InvalidHTTPVersion": "invalid_http_version",
    "InvalidHeader": "invalid_header",
    "InvalidHeaderName": "invalid_header_name",
    "LimitRequestLine": "limit_request_line",
    "LimitRequestHeaders": "limit_request_headers",
    "InvalidProxyLine": "invalid_proxy_line",
    "InvalidProxyHeader": "invalid_proxy_line",
    "ForbiddenProxyRequest": "forbidden_proxy_request",
    "InvalidSchemeHeaders": "invalid_scheme_headers",
    "UnsupportedTransferCoding": "unsupported_transfer_coding",
    "ConfigurationProblem": "configuration_problem",
    "ObsoleteFolding": "obsolete_folding",
    "ExpectationFailed": "expectation_failed",
    "InvalidH2CPreface": "invalid_h2c_preface",
    "InvalidUWSGIHeader": "invalid_uwsgi_packet",
    "UnsupportedModifier": "invalid_uwsgi_packet",
    "ForbiddenUWSGIRequest": "forbidden_uwsgi_request",
    "SSLError": "tls",
}

PARSE_ERROR_REASONS: Final = (*sorted(set(_REFUSALS.values())), "other")

# The application asked for a body that the client sent malformed: Gunicorn answers 400 in the application's place.
MALFORMED_BODY: Final = _named("InvalidChunkSize", "InvalidChunkExtension", "ChunkMissingTerminator")


class _Paper:
    """A socket that keeps what is written to it."""

    def __init__(self) -> None:
        self.written = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.written += data


@functools.cache
def error_page_size() -> int:
    """Body bytes of the page that Gunicorn sends when an exception escaped the application before its response."""
    paper = _Paper()
    util.write_error(paper, 500, "Internal Server Error", "")
    return len(paper.written.partition(b"\r\n\r\n")[2])


def parse_error_reason(error: BaseException) -> str | None:
    """Why Gunicorn refused a request before the application saw it, or None if ``error`` is no such refusal."""
    if type(error).__name__.startswith("InvalidResponseHeader"):
        return None
    for cls in type(error).__mro__:
        if cls.__name__ in _REFUSALS:
            return _REFUSALS[cls.__name__]
    return "other" if isinstance(error, http_errors.ParseException) or _is_asgi_parse_error(error) else None


def _is_asgi_parse_error(error: BaseException) -> bool:
    """Whether ``error`` is of the asgi worker's own parser, written in Python or in C (from 25 on)."""
    cls = type(error)
    return cls.__module__.startswith("gunicorn") and any(base.__name__ == "ParseError" for base in cls.__mro__)


# Until Gunicorn 24 the master reaped its workers inside the SIGCHLD handler, in the middle of whatever it was doing.
REAPS_IN_SIGNAL_HANDLER: Final = not hasattr(Arbiter, "signal_chld")


def reaped_exitcode(frame: FrameType | None, pid: int) -> int | None:
    """How the worker ``pid`` ended, negative for a signal, where ``frame`` was called while Gunicorn reaps it.

    Gunicorn's hooks are not told; only its own local variables have it. None if they do not.
    """
    while frame is not None and frame.f_code.co_name != Arbiter.reap_workers.__name__:
        frame = frame.f_back
    if frame is None or frame.f_locals.get("wpid") != pid:
        return None
    status = frame.f_locals.get("status")
    return os.waitstatus_to_exitcode(status) if isinstance(status, int) else None


def reexec_arguments(arguments: list[str]) -> list[str]:
    """The command line that starts this Gunicorn again, given the one that Gunicorn remembers.

    Started by ``python -m gunicorn`` it remembers the file, and a file's directory comes first on the new process's
    path: there Gunicorn's ``http`` would stand in for the standard library's, which everything here imports.
    """
    if len(arguments) > 1 and os.path.abspath(arguments[1]) == os.path.join(
        os.path.dirname(gunicorn.__file__), "__main__.py"
    ):
        return [arguments[0], "-m", "gunicorn", *arguments[2:]]
    return arguments
