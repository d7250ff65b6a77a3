"""The server in a process that forks, runs out of descriptors, or was monkey-patched."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

PREAMBLE = """
import logging, os, resource, signal, socket, sys, threading, time
from gunicorn_prometheus_exporter.server.fork_gate import ForkGate
from gunicorn_prometheus_exporter.server.http import Response
from gunicorn_prometheus_exporter.server.listener import open_listener
from gunicorn_prometheus_exporter.server.loop import MetricsServer

failures = []

def serve(respond):
    listener = open_listener("127.0.0.1", 0)
    server = MetricsServer(listener, respond, gate=ForkGate(), on_failure=lambda *failure: failures.append(failure))
    server.start()
    print(listener.getsockname()[1], flush=True)
    return server
"""

FORKING = """
logging.basicConfig(stream=open(os.devnull, "w"), level=logging.INFO)
lock = threading.Lock()
served = 0

def respond(request):
    global served
    with lock:
        logging.info("serving")
        time.sleep(0.002)
        served += 1
    return Response(200, (), b"x" * 5000)

server = serve(respond)
sys.stdin.readline()
before, slowest, children = served, 0.0, []
for _ in range(200):
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        server.abandon()
        with lock:
            logging.info("working")
        thread = threading.Thread(target=logging.info, args=("in a thread",))
        thread.start()
        thread.join()
        import decimal
        os._exit(0)
    slowest = max(slowest, time.monotonic() - began)
    children.append(pid)
    time.sleep(0.005)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(len([code for code in codes if code]), served - before, slowest, len(failures), flush=True)
server.stop()
"""

STARVED = """
server = serve(lambda request: Response(200, (), b"up 1"))
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 12,) * 2)
sys.stdin.readline()
hoard = []
try:
    while True:
        hoard.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
print("hoarding", flush=True)
sys.stdin.readline()
before = time.process_time()
time.sleep(1)
print(time.process_time() - before, flush=True)
for fd in hoard:
    os.close(fd)
sys.stdin.readline()
print(sorted({type(error).__name__ for _, error in failures}), len(failures), flush=True)
"""

PATCHED = """
import gevent
server = serve(lambda request: Response(200, (), b"up 1"))
time.sleep(1)
pid = os.fork()
if pid == 0:
    server.abandon()
    os._exit(0)
os.waitpid(pid, 0)
server.stop()
print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), len(failures), flush=True)
"""


def scrape(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_forks_in_a_storm_of_scrapes(run_python: Callable[..., Any]) -> None:
    """200 children, forked while every answer holds locks, all live and can use those locks."""
    process = run_python(PREAMBLE + FORKING)
    port = int(process.stdout.readline())
    stopping = threading.Event()

    def storm() -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                scrape(port)

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        process.stdin.write("go\n")
        process.stdin.flush()
        hung, served, slowest, failures = process.stdout.readline().split()
    finally:
        stopping.set()
        for thread in threads:
            thread.join()

    assert int(hung) == 0
    assert int(served) > 50
    assert float(slowest) < 1
    assert int(failures) == 0
    assert process.wait(10) == 0


def test_no_descriptor_left(run_python: Callable[..., Any]) -> None:
    """Clients that hold the last descriptors give way to a scrape; where nobody can, the server waits without
    spinning and serves again as soon as it can."""
    process = run_python(PREAMBLE + STARVED)
    port = int(process.stdout.readline())
    with contextlib.ExitStack() as crowd:
        for _ in range(40):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        began = time.monotonic()
        assert scrape(port) == b"up 1"
        assert time.monotonic() - began < 1

    time.sleep(0.3)
    process.stdin.write("hoard\n")
    process.stdin.flush()
    assert process.stdout.readline() == "hoarding\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        process.stdin.write("measure\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) < 0.3
    began = time.monotonic()
    assert scrape(port) == b"up 1"
    assert time.monotonic() - began < 1
    process.stdin.write("end\n")
    process.stdin.flush()
    kinds, count = process.stdout.readline().rsplit(" ", 1)
    assert kinds == "['OSError']"
    assert int(count) < 60


def test_a_monkey_patched_master(run_python: Callable[..., Any]) -> None:
    """Where a configuration file patched everything, the thread is a greenlet: it serves and blocks no signal.

    Except ``os``: gevent's own waitpid now and then misses the end of a child, with no server at all.
    """
    process = run_python("from gevent import monkey\nmonkey.patch_all(os=False)\n" + PREAMBLE + PATCHED)
    port = int(process.stdout.readline())

    assert scrape(port) == b"up 1"
    assert process.stdout.readline() == "0 0\n"
    assert process.wait(10) == 0


def test_a_signal_wakes_the_main_thread(run_python: Callable[..., Any]) -> None:
    """A scrape never delays a signal: the handler runs while an answer is being made."""
    process = run_python(
        PREAMBLE
        + """
signal.signal(signal.SIGUSR1, lambda *_: print(time.monotonic(), flush=True))
server = serve(lambda request: time.sleep(1) or Response(200, (), b"up 1"))
time.sleep(30)
"""
    )
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(signal.SIGUSR1)
        assert float(process.stdout.readline()) - sent < 0.5
