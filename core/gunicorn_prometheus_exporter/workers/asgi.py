"""Gunicorn's own asgi worker, which it has from 25 on."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any, Final

from gunicorn.workers.gasgi import ASGIWorker

from .. import process
from ..gunicorn_versions import parse_error_reason
from ..recorder.asgi_request import Receive
from ..recorder.outcome import CLIENT_CLOSED_REQUEST
from ..storage.journal import Phase
from .asynchronous import ServesASGI, watch_protocols
from .interface import require_interface

_ANSWERED: Final = "prometheus_answered"
_INTERNAL_ERROR: Final = 1011


class GunicornServer:
    """What Gunicorn's asgi worker does: its protocol drops whatever is sent once its connection is closed.

    An HTTP/2 stream has no such object, and says by an exception that it is gone.
    """

    unaccepted = 403
    is_gone = staticmethod(attrgetter("_closed"))

    def connection_of(self, receive: Receive) -> object | None:
        return getattr(getattr(receive, "__self__", None), "protocol", None)

    def answered(self, connection: object) -> int:
        return getattr(connection, _ANSWERED, CLIENT_CLOSED_REQUEST)

    def close_code(self, receive: Receive, told: int | None) -> int:
        # An application that is done with an open websocket leaves the close to Gunicorn, which takes it for a failure.
        return told or getattr(getattr(receive, "__self__", None), "close_code", None) or _INTERNAL_ERROR


class PrometheusASGIWorker(ServesASGI, ASGIWorker):
    """Gunicorn's asgi worker, measured."""

    _prometheus_server = GunicornServer()
    _prometheus_open = 0
    asgi: Any

    def run(self) -> None:
        if self._prometheus_recorder is not None:
            try:
                watch_protocols(self.loop, _counting)
            except Exception as error:
                process.current().failures.report("recorder", error)
        super().run()

    def handle_abort_signal(self) -> None:
        self._prometheus_enter(Phase.ABORTING)
        super().handle_abort_signal()

    def _prometheus_check_application(self) -> None:
        require_interface(self.asgi, "ASGI", type(self).__name__)

    def _prometheus_instrument(self) -> None:
        self.asgi = self._prometheus_wrapped(self.asgi)

    def _prometheus_count_connections(self, change: int) -> None:
        self._prometheus_open += change
        if self._prometheus_connections is not None:
            self._prometheus_connections.set(self._prometheus_open)

    def _prometheus_refused(self, protocol: Any, status: int) -> None:
        """The server answers ``status`` by itself; in the middle of a request or in place of one."""
        error = sys.exc_info()[1]
        reason = "other" if error is None else parse_error_reason(error)
        is_parsed = protocol._request_ready is not None and protocol._request_ready.is_set()
        if (status >= 500 and status != 501) or reason is None or self._prometheus_recorder is None:
            return
        if error is not None and is_parsed:
            setattr(protocol, _ANSWERED, status)
        else:
            self._prometheus_recorder.refuse(reason)


def _counting(cls: type) -> type:
    class CountingProtocol(cls):
        # Gunicorn counts its connections too, but not all of its versions see each of them leave.
        def connection_made(self, transport: Any) -> None:
            self.worker._prometheus_count_connections(1)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            self.worker._prometheus_count_connections(-1)
            super().connection_lost(exc)

        def _send_error_response(self, status: int, *args: Any) -> None:
            try:
                self.worker._prometheus_refused(self, status)
            except Exception as error:
                process.current().failures.report("recorder", error)
            super()._send_error_response(status, *args)

    return CountingProtocol
