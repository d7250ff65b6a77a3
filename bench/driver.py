"""Feeds requests from memory to a real worker class, in this process, through the worker's own main loop.

A worker with an event loop gets them over a socket instead.

``python -m bench.driver JSON`` runs one `Drive` and prints what it took as JSON. It needs nothing but Gunicorn and what
the application needs, so it runs in the environment of any exporter.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any

import gunicorn.workers.gthread
import gunicorn.workers.sync
from gunicorn.app.base import BaseApplication
from gunicorn.util import import_app

from . import wired
from .bytecodes import Bytecodes
from .fake_sockets import FakeClient, FakeListener, request_bytes


@dataclass(frozen=True)
class Drive:
    """What to run: ``requests`` GET requests for ``paths`` in turn, after ``warm_up`` that are not timed.

    ``settings`` are Gunicorn's. With ``pauses`` the worker waits for each request, else the next is always there.
    ``traced`` is the package whose bytecodes are counted, "" for none: then the time says nothing.
    """

    target: str
    worker_class: str = "sync"
    settings: dict[str, Any] = field(default_factory=dict)
    paths: list[str] = field(default_factory=lambda: ["/users/7"])
    requests: int = 1000
    warm_up: int = 100
    pauses: bool = True
    statsd: bool = False
    traced: str = ""


@dataclass(frozen=True)
class Driven:
    """What it took. ``microseconds`` is CPU time per request, ``blocks`` what the timed requests left allocated.

    ``bytecodes`` are those that were counted for each request, by function.
    """

    requests: int
    microseconds: float
    blocks: int
    peak_kib: int
    bytecodes: dict[str, float]


class _Application(BaseApplication):
    def __init__(self, drive: Drive, sink: socket.socket) -> None:
        self._drive = drive
        self._sink = sink
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("worker_class", self._drive.worker_class)
        self.cfg.set("loglevel", "warning")
        if self._drive.statsd:
            self.cfg.set("statsd_host", f"127.0.0.1:{self._sink.getsockname()[1]}")
        for name, value in self._drive.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return import_app(self._drive.target)


class _Stopwatch:
    """CPU seconds and blocks of memory between `start` and `stop`."""

    seconds = 0.0
    blocks = 0

    def __init__(self, traced: str) -> None:
        self.bytecodes = Bytecodes(traced) if traced else None

    def start(self) -> None:
        # How often the collector looks through what start-up left depends on chance, and costs more than a request.
        gc.collect()
        gc.freeze()
        self.blocks = -sys.getallocatedblocks()
        if self.bytecodes is not None:
            self.bytecodes.start()
        self.seconds = -time.process_time()

    def stop(self) -> None:
        self.seconds += time.process_time()
        if self.bytecodes is not None:
            self.bytecodes.stop()
        self.blocks += sys.getallocatedblocks()


class _InlineExecutor:
    """A pool whose thread is this one: the way through the worker is the same, and never a switch in between."""

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, *_: Any, **__: Any) -> None:
        pass


class _PatientSelect:
    """Stands for the module select in the sync worker: nothing is there at once, and something after any wait."""

    @staticmethod
    def select(read: list[Any], write: list[Any], errors: list[Any], timeout: float) -> tuple[list[Any], Any, Any]:
        return ([], [], []) if timeout == 0 else ([read[0]], [], [])


def run(drive: Drive) -> Driven:
    """Do it, in this process. Raises RuntimeError if a request was not answered with status 200."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        application = _Application(drive, sink)
        worker_class = application.cfg.worker_class
        watch = _Stopwatch(drive.traced)
        if issubclass(worker_class, gunicorn.workers.gthread.ThreadWorker):
            answers = _run_threaded(drive, application, worker_class, watch)
        elif issubclass(worker_class, gunicorn.workers.sync.SyncWorker):
            answers = _run_sync(drive, application, worker_class, watch)
        else:
            answers, watch.seconds = wired.drive(worker_class, application, drive.paths, drive.warm_up, drive.requests)
    if answers != drive.warm_up + drive.requests:
        raise RuntimeError(f"{answers} of {drive.warm_up + drive.requests} requests were answered with status 200")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted = watch.bytecodes.by_function() if watch.bytecodes is not None else {}
    bytecodes = {function: executed / drive.requests for function, executed in counted.items()}
    return Driven(drive.requests, watch.seconds / drive.requests * 1e6, watch.blocks, peak, bytecodes)


def _worker(worker_class: Any, application: BaseApplication, listener: Any) -> Any:
    """The worker as an arbiter makes it, but in this process."""
    cfg = application.cfg
    log = cfg.logger_class(cfg)
    check_config = getattr(worker_class, "check_config", None)
    if check_config is not None:
        check_config(cfg, log)
    worker = worker_class(1, os.getppid(), [listener], application, cfg.timeout, cfg, log)
    worker.pid = os.getpid()
    return worker


def _run_sync(drive: Drive, application: BaseApplication, worker_class: Any, watch: _Stopwatch) -> int:
    gunicorn.workers.sync.select = _PatientSelect

    def over() -> None:
        watch.stop()
        worker.alive = False

    listener = FakeListener(
        drive.paths,
        warm_up=drive.warm_up,
        requests=drive.requests,
        pauses=drive.pauses,
        begins=watch.start,
        over=over,
    )
    worker = _worker(worker_class, application, listener)
    # Ends with Gunicorn's main loop.
    worker.init_process()
    return listener.answers


def _run_threaded(drive: Drive, application: BaseApplication, worker_class: Any, watch: _Stopwatch) -> int:
    """One kept-alive connection, read whenever it becomes readable, as the worker's own loop does."""
    # epoll takes only what can be polled.
    pair = socket.socketpair()
    client = FakeClient(pair[1].fileno(), b"")

    class Driven(worker_class):
        def get_thread_pool(self) -> _InlineExecutor:
            return _InlineExecutor()

        def run(self) -> None:
            connection = gunicorn.workers.gthread.TConn(self.cfg, client, ("127.0.0.1", 50_000), ("127.0.0.1", 8000))
            connection.data_ready = True
            requests = [request_bytes(path) for path in drive.paths]
            for number in range(drive.warm_up + drive.requests):
                if number == drive.warm_up:
                    watch.start()
                client.say(requests[number % len(requests)])
                self.notify()
                if number:
                    self.on_client_socket_readable(connection, client)
                else:
                    self.nr_conns += 1
                    self.enqueue_req(connection)
                self.method_queue.run_callbacks(None)
            watch.stop()

    worker = _worker(Driven, application, FakeListener([], warm_up=0, requests=0, pauses=False, begins=_no, over=_no))
    worker.init_process()
    return client.answers


def _no() -> None:
    pass


if __name__ == "__main__":
    print(json.dumps(asdict(run(Drive(**json.loads(sys.argv[1]))))))
