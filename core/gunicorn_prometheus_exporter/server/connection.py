"""One client of the metrics server."""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from typing import Final

from .http import HEAD_LIMIT, BadRequest, Head, Response, parse_head, plain, serialize
from .transport import PlaintextError, PlainTransport, Transport

_DISCARD_SIZE: Final = 64 * 1024
_SPEAKS_TLS: Final = Response(
    HTTPStatus.BAD_REQUEST,
    (("Content-Type", "text/plain; charset=utf-8"),),
    b"400 Bad Request: this port speaks HTTPS\n",
)


class State(enum.Enum):
    """What a connection waits for."""

    READING = enum.auto()
    WAITING = enum.auto()
    WRITING = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client may take, in seconds.

    ``head``: to send a whole request head, from its first byte, or from the connect for the first one, which has the
    TLS handshake in it. ``answer``: for us, to find out who is asking. ``write``: to take a whole response. ``idle``:
    between a response and the next request. ``linger``: to close its side after our last response.
    """

    head: float
    write: float
    idle: float
    answer: float = 10.0
    linger: float = 1.0


class Connection:
    """Reads requests from a non-blocking socket and writes what ``answer`` makes of each, in order, one at a time.

    ``answer`` returns None if it is not known yet, and somebody calls `resume` when it is. While a response is being
    made or written nothing is read, so a client that pipelines is held back by TCP and not by our memory. No method
    blocks or raises OSError; a connection that is done has the state ``CLOSED``, and its owner calls `close`.

    ``peer`` is the client's network address. ``answered`` counts responses; ``is_trusted`` is the caller's, for
    clients that have shown who they are.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        answer: Callable[[Connection, Head], bytes | None],
        timeouts: Timeouts,
        now: float,
        transport: Transport | None = None,
    ) -> None:
        self.socket = sock
        self.peer = peer
        self.state = State.READING
        self.deadline = now + timeouts.head
        self.waiting_since = now
        self.answered = 0
        self.is_trusted = False
        self._answer = answer
        self._timeouts = timeouts
        self._transport: Transport = PlainTransport(sock) if transport is None else transport
        self._received = bytearray()
        self._is_idle = False
        self._has_ended = False
        self._unsent = memoryview(b"")
        self._keep_alive = False

    @property
    def events(self) -> int:
        """The selector events that let `advance` get on; 0 for none."""
        if self.state is State.WAITING:
            return 0
        if self.state is State.WRITING or not self._transport.is_flushed():
            return EVENT_WRITE
        return EVENT_READ

    @property
    def is_idle(self) -> bool:
        """Whether the client has had its answers, and asks nothing."""
        return self.state is State.READING and self._is_idle

    @property
    def worth(self) -> tuple[bool, bool, float]:
        """Who goes first when there are too many: the least. Any client that is being answered is worth more than
        one that is not, and one that has shown who it is more than one that has not; among equals, who has made us
        wait longer is worth less."""
        return self.state is State.WRITING, self.is_trusted or self._transport.is_verified, self.waiting_since

    def advance(self, now: float) -> bool:
        """Do what can be done without waiting, at most one request. True if there may be more to do at once."""
        try:
            if self.state is State.READING:
                return self._read(now)
            if self.state is State.WRITING:
                return self._write(now)
            if self.state is State.LINGERING:
                self._discard()
        except BlockingIOError:
            return self.state is State.READING and self._transport.has_pending()
        except PlaintextError:
            self._transport = PlainTransport(self.socket)
            self._begin_writing(serialize(_SPEAKS_TLS, method="", keep_alive=False), now, keep_alive=False)
            return True
        except ssl.SSLError:
            # The alert that says why is on its way to the client.
            with contextlib.suppress(OSError):
                self._begin_lingering(now)
                return False
            self.state = State.CLOSED
        except OSError:
            self.state = State.CLOSED
        return False

    def resume(self, response: bytes, now: float, *, keep_alive: bool) -> None:
        """The response that was not known yet."""
        self._begin_writing(response, now, keep_alive=keep_alive)

    def close(self) -> None:
        """Drop the client, at once and also if a forked process holds a copy of the socket."""
        is_cut = self.state is State.WRITING
        self.state = State.CLOSED
        with contextlib.suppress(OSError):
            if is_cut:
                # Otherwise the kernel keeps what it has of the response for a reader that was given up as too slow,
                # who may then take it for the whole.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _read(self, now: float) -> bool:
        self._receive()
        try:
            head = parse_head(self._received)
        except BadRequest as error:
            self._begin_writing(serialize(plain(error.status), method="", keep_alive=False), now, keep_alive=False)
            return self._write(now)
        if head is not None:
            del self._received[: head.size]
            return self._ask(head, now)
        if self._has_ended:
            self.state = State.CLOSED
        elif self._received and self._is_idle:
            self._is_idle = False
            self.deadline = now + self._timeouts.head
        return False

    def _receive(self) -> None:
        # One byte above the limit tells a head that is too long from one that just fits.
        while not self._has_ended and len(self._received) <= HEAD_LIMIT:
            try:
                data = self._transport.receive(HEAD_LIMIT + 1 - len(self._received))
            except BlockingIOError:
                if self._received:
                    return
                raise
            self._received += data
            self._has_ended = not data

    def _ask(self, head: Head, now: float) -> bool:
        self.state = State.WAITING
        self.waiting_since = now
        self.deadline = now + self._timeouts.answer
        response = self._answer(self, head)
        if response is None:
            return False
        self._begin_writing(response, now, keep_alive=head.keep_alive)
        return self._write(now)

    def _begin_writing(self, response: bytes, now: float, *, keep_alive: bool) -> None:
        self._unsent = memoryview(response)
        self._keep_alive = keep_alive
        self.state = State.WRITING
        self.answered += 1
        self.waiting_since = now
        self.deadline = now + self._timeouts.write

    def _write(self, now: float) -> bool:
        if self._unsent:
            sent = self._transport.send(self._unsent)
            self.waiting_since = now
            self._unsent = self._unsent[sent:]
        if self._unsent or not self._transport.flush():
            return False
        # Even an empty view keeps the whole response in memory.
        self._unsent = memoryview(b"")
        if self._keep_alive:
            self._begin_waiting(now)
            return True
        self._begin_lingering(now)
        return False

    def _begin_waiting(self, now: float) -> None:
        self.state = State.READING
        self.waiting_since = now
        self._is_idle = not self._received
        self.deadline = now + (self._timeouts.idle if self._is_idle else self._timeouts.head)

    def _begin_lingering(self, now: float) -> None:
        # Closing with unread input makes TCP reset the connection, which can take the response away from the
        # client again. So only our side is closed, and what still comes is thrown away until theirs is.
        self._received.clear()
        self.state = State.CLOSED if self._has_ended else State.LINGERING
        self.waiting_since = now
        self.deadline = now + self._timeouts.linger
        self._transport.end()

    def _discard(self) -> None:
        self._transport.flush()
        if not self.socket.recv(_DISCARD_SIZE):
            self.state = State.CLOSED
