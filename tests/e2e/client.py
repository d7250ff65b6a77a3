"""An HTTP client that can also do what no polite client does: partial, malformed, aborted."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Response:
    """``headers`` has lower-case names. ``body`` is without framing."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection, kept alive, to a port of 127.0.0.1. A context manager that closes it.

    ``receive_buffer`` limits what the kernel takes in before the test reads it, in bytes.
    """

    def __init__(self, port: int, *, timeout: float = 10.0, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self._file: io.BufferedReader | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Continue with TLS."""
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def send_head(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a request line and headers, and nothing of a body."""
        self.send(head(method, path, headers or {}))

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        body: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and read its response. ``body`` is sent with its length, ``chunks`` chunked."""
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Length", str(len(body)))
        if chunks is not None:
            headers["Transfer-Encoding"] = "chunked"
        # All at once: a server that does not wait for the body may answer and close before the rest is sent.
        content = b"".join(map(chunk, [*chunks, b""])) if chunks is not None else body or b""
        self.send(head(method, path, headers) + content)
        return self.read_response(method)

    def read_response(self, method: str = "GET") -> Response:
        """The next response, whole. Raises http.client.HTTPException or OSError if it is none or cut short."""
        response = http.client.HTTPResponse(_KeptFile(self.file), method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def read_some(self, size: int) -> bytes:
        """What arrives, ``size`` bytes at most; b"" at the end."""
        return self.file.read1(size)

    def read_exactly(self, size: int) -> bytes:
        """``size`` bytes, less only at the end."""
        return self.file.read(size) or b""

    def read_all(self) -> bytes:
        """Everything until the server closes the connection, or resets it."""
        received = b""
        try:
            while data := self.read_some(65536):
                received += data
        except ConnectionError:
            pass
        return received

    @property
    def file(self) -> io.BufferedReader:
        """The receiving side as a file."""
        if self._file is None:
            self._file = self.socket.makefile("rb")
        return self._file

    def abort(self) -> None:
        """Close with a reset, so that the server's next write fails at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self.socket.close()


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """A request's head; ``_`` in a header's name stands for ``-``."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """``data`` as one chunk of a chunked body; b"" is the last one."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class _KeptFile:
    """Stands for a socket whose file outlives a response: what it has read ahead belongs to the next one."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        pass
