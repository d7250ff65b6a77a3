"""What all worker classes have in common: a slot, a journal, a recorder and the seam to the application."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from .. import process
from ..catalogue import CATALOGUE
from ..gunicorn_versions import parse_error_reason
from ..master.master import Master
from ..master.seat import Seat, WorkerStorage
from ..recorder.exemplars import ExemplaryRecorder
from ..recorder.recorder import Recorder
from ..recorder.series import gauge_key, segment_for
from ..settings import Settings
from ..storage.journal import Journal, Phase
from ..storage.segments import Segments
from .instrument import instrumented, reached_application, recording_post_request
from .interface import require_interface

_START_TIME: Final = CATALOGUE["gunicorn_worker_start_time_seconds"]

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker as _Base
else:
    _Base = object


class PrometheusMixin(_Base):
    """Goes in front of one of Gunicorn's worker classes. Overrides no ``handle_request``, and nothing per request."""

    _prometheus_seat: Seat | None = None
    _prometheus_recorder: Recorder | None = None
    _prometheus_journal: Journal | None = None
    _prometheus_segments: Segments | None = None
    _pid: Any = None
    _alive = True
    wsgi: Any

    @classmethod
    def setup(cls) -> None:
        """Gunicorn calls this in the master when it loads the class, before a preloaded application."""
        process.current().install()
        inherited = getattr(super(), "setup", None)
        if inherited is not None:
            inherited()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Gunicorn calls this in the master when it starts, the last thing before ``when_ready``."""
        inherited = getattr(super(), "check_config", None)
        if inherited is not None:
            inherited(cfg, log)
        Master.of_this_process(cfg, log)

    def __init__(self, age: int, ppid: int, sockets: Any, app: Any, timeout: float, cfg: Any, log: Any) -> None:
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        self.prometheus_born = time.time()
        """The Unix time at which the worker was about to be forked."""
        try:
            self._prometheus_seat = Master.of_this_process(cfg, log).seat_worker()
        except Exception as error:
            process.current().failures.report("storage", error)

    @property
    def pid(self) -> Any:
        """The process id, as Gunicorn sets it on both sides of the fork."""
        return self._pid

    @pid.setter
    def pid(self, value: Any) -> None:
        self._pid = value
        if self._prometheus_seat is not None and isinstance(value, int) and value != os.getpid():
            self._prometheus_seat.leave_to_worker()

    @property
    def alive(self) -> bool:
        """Whether the worker takes new work, as Gunicorn says: on a signal, or after ``max_requests``."""
        return self._alive

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        journal = self._prometheus_journal
        if not value and journal is not None and journal.phase()[0] < Phase.QUITTING:
            journal.enter(Phase.QUITTING)

    @property
    def prometheus_owner(self) -> str | None:
        """The slot of this worker, None if it could not get one."""
        return None if self._prometheus_seat is None else self._prometheus_seat.owner

    def init_process(self) -> None:
        """The first thing in the new process, while it still has the master's privileges."""
        if self._prometheus_seat is not None:
            try:
                self._prometheus_start(self._prometheus_seat)
            except Exception as error:
                self._prometheus_recorder = None
                process.current().failures.report("storage", error)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._prometheus_check_application()
        seat = self._prometheus_seat
        if self._prometheus_recorder is None or self._prometheus_segments is None or seat is None:
            return
        here = process.current()
        try:
            self._prometheus_measure(self._prometheus_segments, seat.settings)
        except Exception as error:
            here.failures.report("storage", error)
        self._prometheus_instrument()
        here.states.mirror()
        if self.alive:
            self._prometheus_enter(Phase.RUNNING)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Gunicorn answers a request that it refuses, or that failed."""
        recorder = self._prometheus_recorder
        if recorder is not None and not reached_application(req):
            try:
                reason = parse_error_reason(exc)
                if reason is not None:
                    recorder.refuse(reason)
            except Exception as error:
                process.current().failures.report("recorder", error)
        super().handle_error(req, client, addr, exc)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._prometheus_enter(Phase.QUITTING)
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self._prometheus_enter(Phase.QUITTING)
        super().handle_quit(sig, frame)

    def handle_abort(self, sig: int, frame: Any) -> None:
        self._prometheus_enter(Phase.ABORTING)
        super().handle_abort(sig, frame)

    def _prometheus_enter(self, phase: Phase) -> None:
        if self._prometheus_journal is not None:
            self._prometheus_journal.enter(phase)

    def _prometheus_start(self, seat: Seat) -> None:
        here = process.current()
        storage = seat.take(self._prometheus_concurrency())
        recorder = self._prometheus_make_recorder(storage, seat.settings)
        try:
            recorder.recover_all()
        except Exception as error:
            here.failures.report("recorder", error)
        if isinstance(recorder, ExemplaryRecorder):
            try:
                recorder.keep_exemplars(storage.segments.exemplars())
            except Exception as error:
                here.failures.report("storage", error)
        storage.journal.enter(Phase.BOOTING)
        gauges = segment_for(storage.segments, _START_TIME, seat.settings, "livesum")
        gauges.write_value(gauge_key(_START_TIME, {"worker_id": seat.owner}), time.time(), 0.0)
        here.bind(seat.store, storage.segments, storage.journal)
        here.failures.send_to(recorder.failed)
        self._prometheus_recorder, self._prometheus_journal = recorder, storage.journal
        self._prometheus_segments = storage.segments

    def _prometheus_make_recorder(self, storage: WorkerStorage, settings: Settings) -> Recorder:
        kind = ExemplaryRecorder if settings.exemplars else Recorder
        return kind(storage.segments, storage.journal, settings)

    def _prometheus_check_application(self) -> None:
        require_interface(self.wsgi, "WSGI", type(self).__name__)

    def _prometheus_instrument(self) -> None:
        """Put the seam between Gunicorn and the application."""
        failures, recorder = process.current().failures, self._prometheus_recorder
        if recorder is not None:
            self.cfg.set("post_request", recording_post_request(recorder, failures, self.cfg.post_request))
            self.wsgi = instrumented(self.wsgi, recorder, failures)

    def _prometheus_measure(self, segments: Segments, settings: Settings) -> None:
        """Prepare to measure what only this class of workers has. Called when Gunicorn has set the worker up."""

    def _prometheus_concurrency(self) -> int:
        """How many requests the worker serves at a time, at the most."""
        return int(self.cfg.threads)
