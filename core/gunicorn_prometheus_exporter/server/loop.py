"""The metrics server: one thread, one selector, a bounded number of connections."""

from __future__ import annotations

import contextlib
import errno
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from .connection import Connection, State, Timeouts
from .fork_gate import ForkGate
from .http import Head, Request, Response, plain, serialize

COMPONENT: Final = "metrics_server"
THREAD_NAME: Final = "gunicorn-prometheus-metrics"

_ACCEPTS_A_TURN: Final = 16
_ACCEPT_PAUSE: Final = 0.1
_STOP_TIMEOUT: Final = 5.0
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# A fault of the processor or an abort is about the thread it happens in, and must not be held back.
_OWN_SIGNALS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
)


class MetricsServer:
    """Serves what ``respond`` answers, from one daemon thread, on ``listener``, which it owns from here on.

    ``max_connections`` bounds memory and descriptors: one client more, and whoever has been slowest to send a
    request is dropped, or if all are being answered, whoever has been slowest to read. ``head_timeout``,
    ``write_timeout`` and ``idle_timeout`` are seconds: see `Timeouts`.

    ``respond`` is called in the thread, one request at a time, inside ``gate.working()``. What it raises becomes a
    500 without details and goes to ``on_failure(component, error)``, which is called in the thread too; the server
    itself never logs.
    """

    def __init__(
        self,
        listener: socket.socket,
        respond: Callable[[Request], Response],
        *,
        gate: ForkGate,
        on_failure: Callable[[str, Exception], None],
        max_connections: int = 128,
        head_timeout: float = 5.0,
        write_timeout: float = 10.0,
        idle_timeout: float = 30.0,
    ) -> None:
        self._listener = listener
        self._respond = respond
        self._gate = gate
        self._on_failure = on_failure
        self._max_connections = max_connections
        self._timeouts = Timeouts(head=head_timeout, write=write_timeout, idle=idle_timeout)
        self._connections: set[Connection] = set()
        self._ready: set[Connection] = set()
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

        Waits up to five seconds for an answer that is being made. If it takes longer, the thread closes what is its
        own when it is done.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        thread = self._thread
        if thread is not None and thread.is_alive():
            with contextlib.suppress(OSError):
                self._wakeup_writer.send(b"\0")
            if thread is threading.current_thread():
                return
            thread.join(_STOP_TIMEOUT)
            if thread.is_alive():
                return
        self._close()

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
        self._connections.clear()
        self._ready.clear()
        self._close()

    def _run(self, starter: int) -> None:
        _block_signals(starter)
        try:
            while not self._is_stopping:
                self._turn()
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
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                self._ready.add(key.data)
            elif key.fileobj is self._listener:
                with self._gate.working():
                    self._accept()
        due, self._ready = self._ready, set()
        for connection in due:
            with self._gate.working():
                self._advance(connection)

    def _wait_time(self) -> float | None:
        if self._ready:
            return 0.0
        deadlines = [connection.deadline for connection in self._connections]
        if self._accepts_again_at is not None:
            deadlines.append(self._accepts_again_at)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        for _ in range(min(_ACCEPTS_A_TURN, self._max_connections)):
            try:
                sock, _address = self._listener.accept()
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
            self._add(sock)

    def _add(self, sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self._answer, self._timeouts, time.monotonic())
            self._selector.register(sock, connection.events, connection)
        except OSError:
            sock.close()
            return
        self._connections.add(connection)
        self._ready.add(connection)

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
            if connection.state is State.CLOSED:
                self._remove(connection)
            elif connection.events != events:
                self._selector.modify(connection.socket, connection.events, connection)
        except Exception as error:
            self._report(error)
            self._remove(connection)

    def _answer(self, head: Head) -> bytes:
        method = head.request.method
        try:
            return serialize(self._respond(head.request), method=method, keep_alive=head.keep_alive)
        except Exception as error:
            self._report(error)
            failure = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
            return serialize(failure, method=method, keep_alive=head.keep_alive)

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._remove(connection)
        if self._accepts_again_at is not None and self._accepts_again_at <= now:
            self._accepts_again_at = None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _drop_least_worthy(self) -> bool:
        least = min(self._connections, key=lambda each: each.worth, default=None)
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


def _block_signals(starter: int) -> None:
    """Leave the process's signals to its other threads, whose system calls they interrupt.

    Under a monkey-patched ``threading`` this is no thread but runs in the one numbered ``starter``, and then there
    is nobody to leave them to.
    """
    if threading.get_native_id() != starter:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN_SIGNALS)
