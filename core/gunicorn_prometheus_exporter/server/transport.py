"""How bytes get to a client and from it: as they are, or over TLS. Nothing here waits."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

# One client's share of a turn: a reader as fast as we are must not keep the others waiting.
_SEND_SIZE: Final = 256 * 1024
_RECEIVE_SIZE: Final = 64 * 1024

T = TypeVar("T")


class PlaintextError(OSError):
    """A client speaks plain HTTP where TLS is spoken."""


class Transport(Protocol):
    """What a `Connection` reads from and writes to. Raises BlockingIOError where it would wait, or another OSError."""

    def receive(self, size: int) -> bytes:
        """At most ``size`` bytes of what the client sent, none if it has closed its side."""

    def send(self, data: memoryview) -> int:
        """Take some of ``data``, and tell how much."""

    def flush(self) -> bool:
        """Whether all that was taken is with the kernel, after trying once more."""

    def is_flushed(self) -> bool:
        """Whether all that was taken is with the kernel."""

    def has_pending(self) -> bool:
        """Whether `receive` has more to give out than a selector knows of."""

    @property
    def is_verified(self) -> bool:
        """Whether the client has shown a certificate that was verified."""

    def end(self) -> None:
        """Close our side; the client's is still open."""


class PlainTransport:
    """The bytes as they are."""

    is_verified = False

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def receive(self, size: int) -> bytes:
        return self._socket.recv(size)

    def send(self, data: memoryview) -> int:
        return self._socket.send(data[:_SEND_SIZE])

    def flush(self) -> bool:
        return True

    def is_flushed(self) -> bool:
        return True

    def has_pending(self) -> bool:
        return False

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)


class TlsTransport:
    """TLS between two buffers in memory and a socket that does not block.

    Not an ``SSLSocket``: with that, a client that sends TLS messages without content as fast as they are read keeps
    OpenSSL reading for ever. Here each step gets one piece of what the client sent, and no more is read from a client
    that does not take our answers. ``admit`` is asked once, when the handshake is done, and raises OSError for a
    client that is to go.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, admit: Callable[[ssl.SSLObject], None] | None = None
    ) -> None:
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._admit = admit
        self._unsent = memoryview(b"")
        self._has_received = False
        self._is_established = False
        self.is_verified = False

    def receive(self, size: int) -> bytes:
        if not self.flush():
            raise BlockingIOError
        if not self._is_established:
            self._shake_hands()
            # What the client sends along with the end of its handshake is for the next turn, as a request that has
            # just come would be.
            raise BlockingIOError
        try:
            return self._step(lambda: self._tls.read(size))
        except ssl.SSLEOFError:
            # The end without a word of TLS: what was cut by it is no whole request in any case.
            return b""

    def send(self, data: memoryview) -> int:
        if not self.flush():
            raise BlockingIOError
        taken = self._tls.write(data[:_SEND_SIZE])
        self.flush()
        return taken

    def flush(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            while self._unsent or self._outgoing.pending:
                if not self._unsent:
                    self._unsent = memoryview(self._outgoing.read())
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            # Even an empty view keeps what it was a view of.
            self._unsent = memoryview(b"")
        return self.is_flushed()

    def is_flushed(self) -> bool:
        return not self._unsent and not self._outgoing.pending

    def has_pending(self) -> bool:
        return self._is_established and self.is_flushed() and bool(self._incoming.pending or self._tls.pending())

    def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            # It says that it would wait for the client's answer, which nobody needs.
            self._tls.unwrap()
        self.flush()
        self._socket.shutdown(socket.SHUT_WR)

    def _shake_hands(self) -> None:
        self._step(self._tls.do_handshake)
        self._is_established = True
        self.is_verified = bool(self._tls.getpeercert())
        if self._admit is not None:
            self._admit(self._tls)

    def _step(self, act: Callable[[], T]) -> T:
        """Do ``act``, if need be with one more piece of what the client sent."""
        try:
            try:
                return act()
            except ssl.SSLWantReadError:
                self._feed()
                return act()
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        finally:
            # An alert that says what was wrong, too.
            self.flush()

    def _feed(self) -> None:
        received = self._socket.recv(_RECEIVE_SIZE)
        if not received:
            self._incoming.write_eof()
        # No record of TLS begins with a letter, and every method does.
        elif not self._has_received and received[:1].isalpha():
            raise PlaintextError
        self._has_received = True
        self._incoming.write(received)
