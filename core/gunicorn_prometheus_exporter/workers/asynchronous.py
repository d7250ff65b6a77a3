"""What the two worker classes for ASGI applications have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import process
from ..bridges import watch_frameworks
from ..master.seat import WorkerStorage
from ..recorder.asgi_exemplars import ExemplaryASGIRecorder
from ..recorder.asgi_recorder import ASGIRecorder, Server
from ..recorder.recorder import Recorder
from ..settings import Settings
from ..storage.segments import Segments
from .connections import ConnectionsMeter
from .instrument_asgi import ASGIApplication, InstrumentedASGIApp
from .mixin import PrometheusMixin

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker as _Base
else:
    _Base = object


class ServesASGI(PrometheusMixin, _Base):
    """Goes in front of a worker class with an event loop. ``_prometheus_server`` says what its server does.

    Gunicorn's ``post_request`` hook is left alone: with one set, its asgi worker holds back a connection's next
    request until the background tasks of the last one are done.
    """

    _prometheus_server: Server
    _prometheus_connections: ConnectionsMeter | None = None

    def _prometheus_make_recorder(self, storage: WorkerStorage, settings: Settings) -> Recorder:
        kind = ExemplaryASGIRecorder if settings.exemplars else ASGIRecorder
        return kind(
            storage.segments,
            storage.journal,
            settings,
            cfg=self.cfg,
            server=self._prometheus_server,
            report=process.current().failures.report,
        )

    def _prometheus_wrapped(self, app: ASGIApplication) -> ASGIApplication:
        """``app`` behind the seam."""
        recorder = self._prometheus_recorder
        if not isinstance(recorder, ASGIRecorder):
            return app
        failures = process.current().failures
        recorder.unrouted += watch_frameworks(failures.report)
        return InstrumentedASGIApp(app, recorder, failures)

    def _prometheus_measure(self, segments: Segments, settings: Settings) -> None:
        # Neither server has a limit that it keeps.
        self._prometheus_connections = ConnectionsMeter(segments, settings)

    def _prometheus_concurrency(self) -> int:
        return int(self.cfg.worker_connections) * len(self.sockets)


def watch_protocols(loop: Any, watching: Callable[[type], type]) -> None:
    """Have the protocol of every connection that servers of ``loop`` accept be of the subclass ``watching`` it.

    The servers answer a request that they cannot parse inside their protocol, and tell nobody. They make it from a
    class that they look up themselves, so only what they have made can be given another one.
    """
    create_server = loop.create_server
    classes: dict[type, type] = {}

    async def create_watched_server(protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        def watched() -> Any:
            protocol = protocol_factory()
            cls = protocol.__class__
            if cls not in classes:
                classes[cls] = watching(cls)
            protocol.__class__ = classes[cls]
            return protocol

        return await create_server(watched, *args, **kwargs)

    loop.create_server = create_watched_server
