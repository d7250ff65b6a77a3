"""The one place for what differs between the versions of Gunicorn, from 22 on."""

from __future__ import annotations

import ipaddress
from types import FrameType
from typing import Any, Final, Protocol

from gunicorn.http import errors as http_errors
from gunicorn.http.wsgi import FileWrapper


class BodyMeter(Protocol):
    """Something whose ``length`` goes down by the bytes of a request body as they are received."""

    length: int


class _ChunkedMeter:
    """A chunked body's reader that counts: Gunicorn's own has no counter."""

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


def unsized_body_meter(body: Any) -> BodyMeter:
    """A meter for ``body``, a ``wsgi.input`` that does not come with a Content-Length counted down as it is read."""
    if hasattr(body, "reader"):
        body.reader = meter = _ChunkedMeter(body.reader)
        return meter
    if hasattr(body, "_next_chunk"):
        return _StreamMeter(body)
    return WholeBody(len(body) if hasattr(body, "__len__") else 0)


def file_wrapper_frame(frame: FrameType) -> bool:
    """Whether ``frame`` is Gunicorn's file wrapper reading the application's file."""
    return isinstance(frame.f_locals.get("self"), FileWrapper)


def peer_is_trusted(request: Any) -> bool:
    """Whether Gunicorn believes what the peer of its ``request`` says of a request's way (``forwarded_allow_ips``)."""
    peer, cfg = request.peer_addr, request.cfg
    if not isinstance(peer, tuple) or "*" in cfg.forwarded_allow_ips or peer[0] in cfg.forwarded_allow_ips:
        return True
    # Before 25 the setting lists addresses only.
    networks = getattr(cfg, "forwarded_allow_networks", tuple)()
    try:
        address = ipaddress.ip_address(peer[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


def listener_addresses(arbiter: Any) -> list[tuple[str, int]]:
    """The TCP addresses that the workers of ``arbiter`` listen on by themselves (``reuse_port``, from 25 on)."""
    if arbiter.LISTENERS or not arbiter.cfg.reuse_port:
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


def parse_error_reason(error: BaseException) -> str | None:
    """Why Gunicorn refused a request before the application saw it, or None if ``error`` is no such refusal."""
    if type(error).__name__.startswith("InvalidResponseHeader"):
        return None
    for cls in type(error).__mro__:
        if cls.__name__ in _REFUSALS:
            return _REFUSALS[cls.__name__]
    return "other" if isinstance(error, http_errors.ParseException) else None
