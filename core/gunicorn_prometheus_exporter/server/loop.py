"""The metrics server: one thread, one selector, a bounded number of connections."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from .background import block_signals
from .connection import Connection, State, Timeouts
from .fork_gate import ForkGate
from .http import Head, Postponed, Request, Response, plain, serialize
from .transport import TlsTransport

COMPONENT: Final = "metrics_server"
THREAD_NAME: Final = "gunicorn-prometheus-metrics"

_ACCEPTS_A_TURN: Final = 16
_ACCEPT_PAUSE: Final = 0.1
# How long a turn may take before new clients are looked at again, in seconds.
_TURN: Final = 0.1
_STOP_TIMEOUT: Final = 5.0
_DRAIN_TIMEOUT: Final = 1.0
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class MetricsServer:
    """Serves what ``respond`` answers, from one daemon thread, on ``listener``, which it owns from here on.

    ``max_connections`` bounds memory and descriptors: one client more, and whoever has been slowest to send a
    request is dropped, or if all are being answered, whoever has been slowest to read; of those that come from the
    address with the most connections. ``head_timeout``, ``write_timeout`` and ``idle_timeout`` are seconds: see
    `Timeouts`.

    ``tls`` is asked for each new client how to speak TLS with it, None for plain HTTP; ``admit`` for each that has
    done so, and raises OSError if it is to go.

    ``respond`` is called in the thread, one request at a time, inside ``gate.working()``. What it, or one of the
    above, raises becomes a 500 without details, or the end of the connection, and goes to
    ``on_failure(component, error)``, which is called in the thread too; the server itself never logs.
    """

    def __init__(
        self,
        listener: socket.socket,
        respond: Callable[[Request], Response | Postponed],
        *,
        gate: ForkGate,
        on_failure: Callable[[str, Exception], None],
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        admit: Callable[[ssl.SSLObject], None] | None = None,
        max_connections: int = 128,
        head_timeout: float = 5.0,
        write_timeout: float = 10.0,
        idle_timeout: float = 30.0,
    ) -> None:
        self._listener = listener
        self._respond = respond
        self._gate = gate
        self._on_failure = on_failure
        self._tls = tls
        self._admit = admit
        self._max_connections = max_connections
        self._timeouts = Timeouts(head=head_timeout, write=write_timeout, idle=idle_timeout)
        self._connections: set[Connection] = set()
        self._ready: set[Connection] = set()
        self._postponed: dict[Connection, tuple[Postponed, Head]] = {}
        self._settled: deque[Connection] = deque()
        self._looked_at = 0.0
        self._must_part = False
        self._accepts_again_at: float | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()
        self._wakeup_reader.setblocking(False)
        self._wakeup_writer.setblocking(False)
        self._selector.register(self._wakeup_reader, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def start(self) -> None:
        """Start the thread. A server starts once."""
        self._thread = threading.Thread(
            target=self._run, args=(threading.get_native_id(),), name=THREAD_NAME, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close every descriptor. Harmless to call again, before `start`, or after `abandon`.

        Clients that have not got their answer, or not yet asked, have one more second, and nobody else comes in. Waits
        up to five seconds for an answer that is being made. If it takes longer, the thread closes what is its own when
        it is done.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._wake()
            if thread is threading.current_thread():
                return
            thread.join(_STOP_TIMEOUT)
            if thread.is_alive():
                return
        self._close()

    def part(self) -> None:
        """Close, soon, every connection whose client has its answer and asks nothing: it comes back, by new rules."""
        self._must_part = True
        self._wake()

    def fileno(self) -> int:
        """The descriptor of the listening socket, or -1 once it is closed."""
        return self._listener.fileno()

    def abandon(self) -> None:
        """In a forked child: close what was inherited and leave the parent's server alone.

        Nothing is unregistered and no connection is shut down, which would reach through to the parent.
        """
        self._is_stopping = True
        self._thread = None
        for connection in self._connections:
            connection.socket.close()
        # With them go keys of TLS, which are none of the child's business.
        self._connections.clear()
        self._ready.clear()
        self._postponed.clear()
        self._close()

    def _run(self, starter: int) -> None:
        block_signals(starter)
        try:
            while not self._is_stopping:
                self._turn()
            self._drain()
        except Exception as error:
            with self._gate.working():
                self._report(error)
        finally:
            with self._gate.working():
                self._close()

    def _turn(self) -> None:
        """Wait for something to do and do it, in steps short enough for a fork to slip in between."""
        with self._gate.working():
            self._expire()
            timeout = self._wait_time()
        selected = self._selector.select(timeout)
        self._looked_at = time.monotonic()
        for key, _ in selected:
            if key.data is not None:
                self._ready.add(key.data)
            elif key.fileobj is self._listener:
                with self._gate.working():
                    self._accept()
            else:
                self._hear()
        with self._gate.working():
            self._resume_settled()
        # Whoever was answered most comes last: a client that asks without end is not to keep a new one waiting.
        due = deque(sorted(self._ready, key=lambda each: (each.answered, each.waiting_since)))
        self._ready.clear()
        while due and time.monotonic() - self._looked_at < _TURN:
            with self._gate.working():
                self._advance(due.popleft())
        self._ready.update(each for each in due if each in self._connections)

    def _drain(self) -> None:
        """Answer those who came before the end: across USR2 there is another master, and no scrape is lost."""
        deadline = time.monotonic() + _DRAIN_TIMEOUT
        with self._gate.working():
            if self._accepts_again_at is None:
                self._selector.unregister(self._listener)
            self._listener.close()
            self._accepts_again_at = None
        while True:
            with self._gate.working():
                for connection in tuple(self._connections):
                    if connection.is_idle:
                        self._remove(connection)
                    connection.deadline = min(connection.deadline, deadline)
            if not self._connections:
                return
            self._turn()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wakeup_reader.recv(4096):
                pass
        if self._must_part:
            self._must_part = False
            with self._gate.working():
                for connection in [each for each in self._connections if each.is_idle]:
                    self._remove(connection)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wakeup_writer.send(b"\0")

    def _wait_time(self) -> float | None:
        if self._ready or (self._is_stopping and not self._connections):
            return 0.0
        deadlines = [connection.deadline for connection in self._connections]
        if self._accepts_again_at is not None:
            deadlines.append(self._accepts_again_at)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        for _ in range(min(_ACCEPTS_A_TURN, self._max_connections)):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                if error.errno not in _NO_ROOM or not self._drop_least_worthy():
                    self._pause_accepting(error)
                return
            if len(self._connections) >= self._max_connections:
                self._drop_least_worthy()
            try:
                self._add(sock, address[0])
            except Exception as error:
                sock.close()
                self._report(error)

    def _add(self, sock: socket.socket, peer: str) -> None:
        context = self._tls()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = None if context is None else TlsTransport(sock, context, self._admit)
            connection = Connection(sock, peer, self._answer, self._timeouts, time.monotonic(), transport)
            self._selector.register(sock, connection.events, connection)
        except OSError:
            sock.close()
            return
        self._connections.add(connection)

    def _pause_accepting(self, error: OSError) -> None:
        # The client stays in the backlog and the listener stays readable, so to wait for it would be to spin.
        self._report(error)
        self._selector.unregister(self._listener)
        self._accepts_again_at = time.monotonic() + _ACCEPT_PAUSE

    def _advance(self, connection: Connection) -> None:
        events = connection.events
        try:
            if connection.advance(time.monotonic()):
                self._ready.add(connection)
            self._follow(connection, events)
        except Exception as error:
            self._report(error)
            self._remove(connection)

    def _follow(self, connection: Connection, events: int) -> None:
        """Bring the selector, which knows of ``events``, to where the connection is."""
        if connection.state is State.CLOSED:
            self._remove(connection)
        elif connection.events == events:
            return
        elif not connection.events:
            self._selector.unregister(connection.socket)
        elif not events:
            self._selector.register(connection.socket, connection.events, connection)
        else:
            self._selector.modify(connection.socket, connection.events, connection)

    def _answer(self, connection: Connection, head: Head) -> bytes | None:
        request = replace(head.request, peer=connection.peer, arrived=self._looked_at)
        try:
            response = self._respond(request)
            if isinstance(response, Response):
                return self._serialize(connection, head, response)
            self._postponed[connection] = response, head
            response.begin(lambda: self._settle(connection))
        except Exception as error:
            self._postponed.pop(connection, None)
            self._report(error)
            return self._failure(head)
        return None

    def _settle(self, connection: Connection) -> None:
        """In any thread: the wait of ``connection`` is over."""
        self._settled.append(connection)
        self._wake()

    def _resume_settled(self) -> None:
        while self._settled:
            connection = self._settled.popleft()
            postponed, head = self._postponed.pop(connection, (None, None))
            if postponed is None or head is None:
                continue
            try:
                response = self._serialize(connection, head, postponed.resume())
            except Exception as error:
                self._report(error)
                response = self._failure(head)
            events = connection.events
            connection.resume(response, time.monotonic(), keep_alive=head.keep_alive)
            self._follow(connection, events)

    def _serialize(self, connection: Connection, head: Head, response: Response) -> bytes:
        connection.is_trusted = response.is_trusted
        return serialize(response, method=head.request.method, keep_alive=head.keep_alive)

    def _failure(self, head: Head) -> bytes:
        failure = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        return serialize(failure, method=head.request.method, keep_alive=head.keep_alive)

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._remove(connection)
        if self._accepts_again_at is not None and self._accepts_again_at <= now:
            self._accepts_again_at = None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _drop_least_worthy(self) -> bool:
        crowds = Counter(each.peer for each in self._connections)
        least = min(self._connections, key=lambda each: (each.worth[:2], -crowds[each.peer], each.worth), default=None)
        if least is None:
            return False
        self._remove(least)
        return True

    def _remove(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._ready.discard(connection)
        # Not left to the closing: while a forked process holds a copy of the descriptor, the kernel would keep
        # telling us of a socket that we have forgotten.
        with contextlib.suppress(OSError, ValueError, KeyError):
            self._selector.unregister(connection.socket)
        postponed, _ = self._postponed.pop(connection, (None, None))
        if postponed is not None:
            postponed.cancel()
        connection.close()

    def _close(self) -> None:
        for connection in list(self._connections):
            self._remove(connection)
        self._selector.close()
        self._listener.close()
        self._wakeup_reader.close()
        self._wakeup_writer.close()

    def _report(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            self._on_failure(COMPONENT, error)
