"""The application of the traffic tests: the first part of the path says what to do, the whole path is the endpoint.

A query such as ``size=3000&parts=3`` says how much of it. Copied into a server's home; imports the core for the note.
"""

import errno
import io
import os
import time
from urllib.parse import parse_qs

from gunicorn_prometheus_exporter.note import note_of

BLOCK = b"x" * 65536


def app(environ, start_response):
    note_of(environ).endpoint(environ["PATH_INFO"])
    query = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    return globals()[f"do_{environ['PATH_INFO'].split('/')[1]}"](environ, start_response, query)


def ok(start_response, length=None, status="200 OK"):
    headers = [("Content-Type", "application/octet-stream")]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    return start_response(status, headers)


def do_plain(environ, start_response, query):
    body = b"x" * int(query.get("size", 5))
    ok(start_response, len(body))
    return [body]


def do_status(environ, start_response, query):
    start_response(query["status"], [])
    return [b"x" * int(query.get("size", 0))]


def do_stream(environ, start_response, query):
    """``parts`` parts of ``size`` bytes, ``pause`` seconds before each but the first; sized if ``length`` says so."""
    ok(start_response, query.get("length"))
    for number in range(int(query["parts"])):
        if number:
            time.sleep(float(query.get("pause", 0)))
        yield b"x" * int(query["size"])


def do_write(environ, start_response, query):
    write = ok(start_response)
    write(b"x" * int(query["size"]))
    return [b"y" * int(query["size"])]


def do_file(environ, start_response, query):
    """A file of ``size`` bytes, from ``offset`` on, with or without a Content-Length; ``fail`` makes it end early."""
    size, offset = int(query["size"]), int(query.get("offset", 0))
    path = f"file-{os.getpid()}-{size}"
    with open(path, "wb") as file:
        file.truncate(size)
    body = open(path, "rb")  # noqa: SIM115 - the server closes it
    body.seek(offset)
    os.unlink(path)
    ok(start_response, size - offset if "length" in query else None)
    return environ["wsgi.file_wrapper"](body, 8192)


def do_filelike(environ, start_response, query):
    """As ``file``, of something that is no file, so that there is nothing to send with sendfile."""
    ok(start_response)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * int(query["size"])), 8192)


def do_read(environ, start_response, query):
    """Read the whole body, or as much as ``size`` says, in steps of ``step``, and answer how much it was."""
    body = environ["wsgi.input"]
    wanted = int(query.get("size", 1 << 40))
    step = int(query.get("step", 65536))
    received = 0
    while received < wanted and (data := body.read(min(step, wanted - received))):
        received += len(data)
    answer = str(received).encode()
    ok(start_response, len(answer))
    return [answer]


def do_readlines(environ, start_response, query):
    answer = str(sum(map(len, environ["wsgi.input"]))).encode()
    ok(start_response, len(answer))
    return [answer]


def do_raise(environ, start_response, query):
    """Raise before a response was started, or after (``started``), once the ``sent`` bytes are out."""
    if "started" in query:
        ok(start_response, query.get("length"))
    raise_error(query)
    return []


def do_raise_later(environ, start_response, query):
    ok(start_response, query.get("length"))
    yield b"x" * int(query["sent"])
    raise_error(query)


def raise_error(query):
    raise {
        "ValueError": lambda: ValueError("no such value"),
        "ConnectionResetError": lambda: ConnectionResetError(errno.ECONNRESET, "a database went away"),
        "BrokenPipeError": lambda: BrokenPipeError(errno.EPIPE, "a queue went away"),
        "FileNotFoundError": lambda: FileNotFoundError(errno.ENOENT, "no such file"),
        "SystemExit": lambda: SystemExit(3),
    }[query["error"]]()


class _FailsToClose:
    def __iter__(self):
        return iter([b"x" * 10])

    def close(self):
        raise ValueError("cannot close")


def do_close_raises(environ, start_response, query):
    ok(start_response, 10)
    return _FailsToClose()


def do_flood(environ, start_response, query):
    """Send without an end."""
    ok(start_response)
    while True:
        yield BLOCK


def do_nothing(environ, start_response, query):
    """Return no response at all: start_response is never called."""
    return [b"x"]
