"""Meters for bytes that Gunicorn does not count itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class SendfileMeter:
    """A client's socket that counts what ``sendfile`` sends. ``Response.sent`` stays 0 for such a response."""

    def __init__(self, sock: Any) -> None:
        self.sent = 0
        self._sock = sock

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        sent: int = 0
        try:
            sent = self._sock.sendfile(file, offset, count)
        except BaseException:
            # Every implementation leaves the file where it stopped: there the client went away.
            sent = max(file.tell() - offset, 0)
            raise
        finally:
            self.sent += sent
        return sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class BodyMeter:
    """A response body that counts what is taken from it, for responses that Gunicorn collects before it sends them."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self.sent = 0
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self.sent += len(chunk)
            yield chunk

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
