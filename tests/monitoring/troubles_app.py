"""An application with every trouble an alert is for: the path is the endpoint, and says what to do."""

import os
import time
from pathlib import Path

from gunicorn_prometheus_exporter import process
from gunicorn_prometheus_exporter.note import note_of

leaked = []

if Path("slow-to-boot").exists():
    time.sleep(60)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    note = note_of(environ)
    note.endpoint(path)
    status = "200 OK"
    if path == "/slow":
        time.sleep(0.5)
    elif path == "/leak" and len(leaked) < 150:
        # Ever faster: a constant leak is soon little of what there is.
        leaked.append(b"x" * (400_000 + 20_000 * len(leaked)))
    elif path == "/hang":
        time.sleep(60)
    elif path == "/exit":
        os._exit(7)
    elif path == "/fails":
        raise ValueError("no such value")
    elif path == "/handles":
        note.handled(KeyError("no such key"), "wsgi")
        status = "404 Not Found"
    elif path == "/moved":
        status = "302 Found"
    elif path == "/breaks":
        start_response(status, [("Content-Length", "1000")])
        raise ValueError("in the middle")
    elif path == "/exporter-fails":
        process.current().failures.report("test", RuntimeError("made by a test"))
    environ["wsgi.input"].read()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
