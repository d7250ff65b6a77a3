"""The application of the lifecycle tests: the path is the endpoint, and says how the worker ends."""

import os
import time

from gunicorn_prometheus_exporter.note import note_of


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hang-unrouted":
        time.sleep(60)
    note_of(environ).endpoint(path)
    if path == "/hang":
        time.sleep(60)
    elif path == "/slow":
        time.sleep(0.5)
    elif path == "/exit":
        os._exit(7)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
