"""A real gunicorn for a test, started in a directory and a process group of its own.

In a test, through the fixtures of ``conftest.py``::

    def test_counts(gunicorn, worker_class):                  # once for each worker class of this Gunicorn
        server = gunicorn(APP, worker_class=worker_class, workers=2)      # returns when all workers have booted
        assert server.get("/").status == 200                              # or server.connect(): tests/e2e/client.py
        seen = server.scrape_until(lambda e: e.total("gunicorn_http_requests_total") == 1)
        assert seen.value("gunicorn_http_requests_total", method="GET", status="200") == 1

``APP`` is the source of a module with a callable ``app``, or the path of a module or of a directory with an ``app.py``.
Keyword arguments of ``gunicorn``: see `Gunicorn`. Numbers are recorded after the last byte is out, so a client may be
faster than they are: wait with ``scrape_until``.

A server has ``pid`` (of the master), ``worker_pids()``, ``signal(signum)``, ``kill_worker(pid)``, ``log()``,
``directory`` (of the metrics), ``port``, ``metrics_port``, ``stop()``. The fixture stops it in any case, shows its log
when the test failed, and checks every exposition the test saw (``tests/e2e/exposition.py``).
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import IO, TypeVar

import psutil

from tests.e2e.client import Connection, Response
from tests.e2e.exposition import Exposition

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = [
    str(ROOT / root) for root in ("core", "contrib_flask", "contrib_django", "contrib_pyramid", "contrib_starlette")
]
WORKER_CLASSES = {
    "sync": "gunicorn_prometheus_exporter.PrometheusWorker",
    "gthread": "gunicorn_prometheus_exporter.PrometheusThreadWorker",
    "gevent": "gunicorn_prometheus_exporter.PrometheusGeventWorker",
    "eventlet": "gunicorn_prometheus_exporter.PrometheusEventletWorker",
}
ASGI_WORKER_CLASSES = {
    "asgi": "gunicorn_prometheus_exporter.PrometheusASGIWorker",
    "uvicorn": "gunicorn_prometheus_exporter.PrometheusUvicornWorker",
}
_CLASSES = {**WORKER_CLASSES, **ASGI_WORKER_CLASSES}
BOOT_SECONDS = 30.0
STOP_SECONDS = 10.0
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# Appended to every test's gunicorn.conf.py: says which workers have loaded the application.
_SAY_BOOTED = """
def _say_booted(users=globals().get("post_worker_init")):
    def post_worker_init(worker):
        if users is not None:
            users(worker)
        with open({booted!r}, "a") as file:
            file.write(f"{{worker.pid}}\\n")
    return post_worker_init
post_worker_init = _say_booted()
"""
_NOT_INHERITED = ("PROMETHEUS_", "REDIS_", "GUNICORN_", "CLEANUP_DB_FILES", "SIDECAR_MODE", "LISTEN_", "NOTIFY_SOCKET")

T = TypeVar("T")
_reserved: list[IO[str]] = []


def wait_until(fact: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Return what ``fact`` returns once it is true in the sense of ``if``. Fails the test after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pauses = growing_pauses()
    while not (result := fact()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or fact}"
        time.sleep(next(pauses))
    return result


def growing_pauses() -> Iterator[float]:
    """Seconds between two looks. Who has waited for long need not look as often: looking takes time from who works."""
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.3, 0.25)


def free_port() -> int:
    """A TCP port that nobody has, and that no other test gets while this process lives.

    It is below those that the kernel gives to clients, so none takes it before the server does.
    """
    reservations = Path(tempfile.gettempdir()) / f"gpe-ports-{os.getuid()}"
    reservations.mkdir(exist_ok=True)
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        reservation = (reservations / str(port)).open("w")
        try:
            fcntl.flock(reservation, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        _reserved.append(reservation)
        return port


class Gunicorn:
    """One running gunicorn and everything a test asks of it.

    ``worker_class`` is ``sync``, ``gthread``, ``gevent``, ``eventlet``, for ASGI applications ``asgi`` or ``uvicorn``
    (the exporter's classes), or any import string;
    ``args`` are more command line arguments, ``conf`` the text of gunicorn.conf.py, ``env`` more environment (None
    unsets). ``directory`` is where the metrics are kept: by default one in ``home``, "" for the exporter's own choice.
    ``home`` is a new directory, removed at the end. ``files`` are put into it: name to text. With ``wait=False`` the
    test waits itself (for a server that must not start, say); ``serves=False`` if no metrics endpoint is expected.
    With ``workers_option=False`` it is up to the configuration that there are as many ``workers``.
    ``port`` is where the application listens unless ``args`` has a ``--bind``; ``pass_fds`` as for subprocess.
    """

    def __init__(
        self,
        app: str | Path,
        *,
        worker_class: str = "sync",
        workers: int = 1,
        args: Sequence[str] = (),
        conf: str = "",
        env: Mapping[str, str | None] | None = None,
        directory: str | Path | None = None,
        files: Mapping[str, str] | None = None,
        target: str = "app:app",
        wait: bool = True,
        serves: bool = True,
        metrics_port: int | None = None,
        workers_option: bool = True,
        pass_fds: Sequence[int] = (),
    ) -> None:
        # Not pytest's tmp_path: the path of a Unix socket in it would be too long.
        self.home = Path(tempfile.mkdtemp(prefix="gpe-"))
        self.port = free_port()
        self.metrics_port = free_port() if metrics_port is None else metrics_port
        self.workers = workers
        self.directory = self.home / "metrics" if directory is None else Path(directory) if directory else None
        self.pidfile = self.home / "master.pid"
        self.largest = ""
        """The largest exposition in the text format that was seen, which promtool checks at the end of the test."""
        for name, text in (files or {}).items():
            (self.home / name).write_text(textwrap.dedent(text))
        (self.home / "gunicorn.conf.py").write_text(
            textwrap.dedent(conf) + _SAY_BOOTED.format(booted=str(self.home / "booted"))
        )
        if not any(argument.startswith(("-b", "--bind")) for argument in args):
            args = ["--bind", f"127.0.0.1:{self.port}", *args]
        command = [sys.executable, "-m", "gunicorn", "--config", str(self.home / "gunicorn.conf.py")]
        command += ["--worker-class", _CLASSES.get(worker_class, worker_class)]
        command += ["--workers", str(workers)] if workers_option else []
        command += ["--pid", str(self.pidfile), "--chdir", self._place(app), *args, target]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                env=self._environment(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self.pid = self.process.pid
        try:
            if wait:
                self.wait_booted(serves=serves)
        except BaseException as error:
            log_text = self.log()
            self.remove()
            raise AssertionError(f"gunicorn did not start: {error}\n{log_text}") from error

    # --- requests

    def connect(self, timeout: float = 10.0) -> Connection:
        """A new connection to the application."""
        return Connection(self.port, timeout=timeout)

    def get(self, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> Response:
        """One request on a connection of its own; ``_`` in a header's name stands for ``-``."""
        with self.connect() as connection:
            return connection.request(method, path, body=body, headers={"Connection": "close", **headers})

    # --- metrics

    def scrape(self) -> Exposition:
        """What the endpoint says, in both formats, each parsed strictly, which must agree."""
        text = self.scrape_once("")
        openmetrics = self.scrape_once()
        openmetrics.assert_not_before(text)
        return openmetrics

    def scrape_once(self, accept: str = OPENMETRICS) -> Exposition:
        """As `scrape`, in one format only: for scrapes in quick succession."""
        return self.fetch(accept)[1]

    def scrape_until(self, fact: Callable[[Exposition], object], timeout: float = 10.0) -> Exposition:
        """The first exposition for which ``fact`` is true; the test fails after ``timeout`` seconds without one."""
        deadline = time.monotonic() + timeout
        pauses = growing_pauses()
        while not fact(seen := self.scrape_once()):
            assert time.monotonic() < deadline, f"not within {timeout} s in an exposition; the last one:\n{seen.text}"
            time.sleep(next(pauses))
        return self.scrape()

    def fetch(self, accept: str = "", path: str = "/metrics") -> tuple[str, Exposition]:
        """The media type that ``accept`` leads to, and the exposition, parsed as that."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        try:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            response = connection.getresponse()
            text = response.read().decode("utf-8")
        finally:
            connection.close()
        assert response.status == 200, f"{response.status}: {text}"
        media_type = response.headers["Content-Type"]
        is_openmetrics = media_type.startswith("application/openmetrics-text")
        if not is_openmetrics and len(text) > len(self.largest):
            self.largest = text
        return media_type, Exposition(text, openmetrics=is_openmetrics)

    # --- processes

    def signal(self, signum: int, pid: int | None = None) -> None:
        """Send ``signum`` to the master, or to the process ``pid`` of this server."""
        os.kill(self.pid if pid is None else pid, signum)

    def kill_worker(self, pid: int | None = None, signum: int = SIGKILL) -> int:
        """Send ``signum`` to a worker, the first one by default; returns its pid once it is gone."""
        victim = self.worker_pids()[0] if pid is None else pid
        os.kill(victim, signum)
        wait_until(lambda: not _is_alive(victim), what=f"worker {victim} is gone")
        return victim

    def booted_pids(self) -> list[int]:
        """Every worker that ever finished booting, in that order, dead ones too."""
        try:
            return [int(line) for line in (self.home / "booted").read_text().split()]
        except FileNotFoundError:
            return []

    def worker_pids(self, master: int | None = None) -> list[int]:
        """The living workers of the master (of ``master``, after USR2) that have loaded the application."""
        try:
            children = psutil.Process(self.pid if master is None else master).children()
        except psutil.NoSuchProcess:
            return []
        booted = set(self.booted_pids())
        return sorted(child.pid for child in children if child.pid in booted and _is_alive(child.pid))

    def wait_booted(self, workers: int | None = None, *, serves: bool = True, timeout: float = BOOT_SECONDS) -> None:
        """Wait for as many living workers that have loaded the application, and for the metrics endpoint."""
        wanted = self.workers if workers is None else workers

        def ready() -> bool:
            assert self.process.poll() is None, f"gunicorn exited with {self.process.returncode}"
            return len(self.worker_pids()) == wanted and (not serves or _answers(self.metrics_port))

        wait_until(ready, timeout, f"{wanted} workers")

    def log(self) -> str:
        """Everything that gunicorn and the application printed."""
        return (self.home / "log").read_text(errors="replace") if self.home.exists() else ""

    def wait_logged(self, text: str, timeout: float = 10.0) -> None:
        wait_until(lambda: text in self.log(), timeout, f"{text!r} in the log")

    def stop(self, signum: int = SIGTERM) -> int:
        """End gunicorn with everything it started; returns the master's exit status. Safe to call again."""
        if self.process.poll() is None:
            os.kill(self.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, SIGKILL)
        return self.process.wait(STOP_SECONDS)

    def remove(self) -> None:
        """Stop, and forget the directory with the log."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _place(self, app: str | Path) -> str:
        if isinstance(app, Path):
            if app.is_dir():
                return str(app)
            shutil.copy(app, self.home / "app.py")
        else:
            (self.home / "app.py").write_text(textwrap.dedent(app))
        return str(self.home)

    def _environment(self, env: Mapping[str, str | None]) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        given: dict[str, str | None] = {
            "PYTHONPATH": os.pathsep.join([*IMPORT_ROOTS, *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            # Newer Gunicorns put a control socket below these.
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
            "PROMETHEUS_METRICS_PORT": str(self.metrics_port),
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory) if self.directory else None,
            **env,
        }
        for name, value in given.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        return environment


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
