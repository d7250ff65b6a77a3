"""The worker of the package uvicorn-worker."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from uvicorn_worker import UvicornWorker

from .. import process
from ..recorder.asgi_request import Receive
from ..recorder.outcome import CLIENT_CLOSED_REQUEST
from ..storage.journal import Phase
from .asynchronous import ServesASGI, watch_protocols
from .connections import ConnectionsMeter
from .interface import require_interface

_ANSWERED: Final = "prometheus_answered"
_NO_CODE: Final = 1005
_LOST: Final = 1006
_REASONS: Final = {
    "HttpParserInvalidMethodError": "invalid_request_method",
    "HttpParserInvalidURLError": "invalid_request_line",
}


class UvicornServer:
    """What uvicorn does: one object serves a request, and drops what is sent once it is disconnected."""

    unaccepted = 500
    is_gone = staticmethod(attrgetter("disconnected"))

    def connection_of(self, receive: Receive) -> object | None:
        cycle = getattr(receive, "__self__", None)
        return cycle if hasattr(cycle, "disconnected") else None

    def answered(self, connection: object) -> int:
        return getattr(connection, _ANSWERED, CLIENT_CLOSED_REQUEST)

    def close_code(self, receive: Receive, told: int | None) -> int:
        connection: Any = getattr(getattr(receive, "__self__", None), "conn", None)
        if hasattr(connection, "close_rcvd") and told in (None, _NO_CODE):
            # Of a connection that is lost, uvicorn says the same as of a client that gave no code.
            return getattr(connection.close_rcvd, "code", _LOST)
        # One that its application is done with is closed without a frame.
        return told or _LOST


class CountedConnections(set[Any]):
    """The connections of a uvicorn server, counted by ``meter`` as they come and go."""

    def __init__(self, connections: set[Any], meter: ConnectionsMeter) -> None:
        super().__init__(connections)
        self._meter = meter

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._meter.set(len(self))

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._meter.set(len(self))

    def remove(self, connection: Any) -> None:
        super().remove(connection)
        self._meter.set(len(self))


class PrometheusUvicornWorker(ServesASGI, UvicornWorker):
    """The uvicorn worker, measured."""

    _prometheus_server = UvicornServer()
    _prometheus_uvicorn: Any = None

    @property
    def nr(self) -> int:
        """How many requests were served, for the reason of an exit: Gunicorn's own attribute stays 0 here."""
        return 0 if self._prometheus_uvicorn is None else int(self._prometheus_uvicorn.server_state.total_requests)

    @nr.setter
    def nr(self, value: int) -> None:
        pass

    def _prometheus_check_application(self) -> None:
        if self.config.interface != "wsgi":
            require_interface(self.wsgi, "ASGI", type(self).__name__)

    def _prometheus_instrument(self) -> None:
        """Nothing yet: uvicorn has its own way to find out how to call an application, and comes to it in `_serve`."""

    async def _serve(self) -> None:
        if self._prometheus_recorder is not None:
            self.config.app = self.wsgi
            self.config.load()
            self.config.loaded_app = self._prometheus_wrapped(self.config.loaded_app)
            loop = asyncio.get_running_loop()
            try:
                watch_protocols(loop, self._prometheus_counting_refusals)
            except Exception as error:
                process.current().failures.report("recorder", error)
            # The first wait comes when the server has put its signal handlers in place, and before it listens.
            loop.call_soon(self._prometheus_follow)
        await super()._serve()

    def _prometheus_follow(self) -> None:
        """Find the server, which is a local variable of uvicorn's, behind the signals that it handles."""
        try:
            for signum in (signal.SIGTERM, signal.SIGINT):
                handler: Any = signal.getsignal(signum)
                server = getattr(handler, "__self__", None)
                if hasattr(server, "server_state"):
                    self._prometheus_uvicorn = server
                    signal.signal(signum, self._prometheus_quitting(handler))
            if self._prometheus_uvicorn is not None and self._prometheus_connections is not None:
                state = self._prometheus_uvicorn.server_state
                state.connections = CountedConnections(state.connections, self._prometheus_connections)
        except Exception as error:
            process.current().failures.report("recorder", error)

    def _prometheus_quitting(self, handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def quitting(signum: int, frame: Any) -> Any:
            self._prometheus_enter(Phase.QUITTING)
            return handler(signum, frame)

        return quitting

    def _prometheus_refused(self, protocol: Any) -> None:
        """The server answers 400 by itself; in the middle of a request or in place of one."""
        cycle = protocol.cycle
        if cycle is not None and not cycle.response_complete:
            setattr(cycle, _ANSWERED, 400)
        elif self._prometheus_recorder is not None:
            self._prometheus_recorder.refuse(_REASONS.get(type(sys.exc_info()[1]).__name__, "other"))

    def _prometheus_counting_refusals(self, cls: type) -> type:
        refused = self._prometheus_refused

        class CountingProtocol(cls):
            def send_400_response(self, *args: Any) -> None:
                try:
                    refused(self)
                except Exception as error:
                    process.current().failures.report("recorder", error)
                super().send_400_response(*args)

        return CountingProtocol
