"""An application with metrics of its own of every kind, labelled and not. It knows nothing of the exporter.

``/update?value=3`` gives each of them that value; ``/child?value=3`` does so in a process that the worker forks.
"""

import multiprocessing
import os
from urllib.parse import parse_qs

from prometheus_client import Counter, Enum, Gauge, Histogram, Info, Summary

MODES = ("all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent")

counter = Counter("my_jobs", "Jobs done.")
labelled_counter = Counter("my_calls", 'Calls with "quotes", \\ and\nlines.', ["kind", "place"])
gauges = [Gauge(f"my_{mode}_level", f"A gauge of mode {mode}.", multiprocess_mode=mode) for mode in MODES]
labelled_gauges = [Gauge(f"my_{mode}_part", "A gauge.", ["part"], multiprocess_mode=mode) for mode in MODES]
histogram = Histogram("my_latency_seconds", "Latency.", unit="seconds", buckets=(1, 2, 5))
labelled_histogram = Histogram("my_size_bytes", "Sizes.", ["kind"])
summary = Summary("my_work_seconds", "Work.")
labelled_summary = Summary("my_part_seconds", "Work.", ["part"])
info = Info("my_build", "What was built.")
labelled_info = Info("my_part_build", "What was built.", ["part"])
enum = Enum("my_state", "The state.", states=["starting", "running", "stopped"])
labelled_enum = Enum("my_part_state", "The state.", ["part"], states=["up", "down"])
untouched = Counter("my_untouched", "Never incremented.")


def update(value):
    counter.inc(value)
    labelled_counter.labels("é", 'a"b\\c').inc(value)
    for gauge, labelled in zip(gauges, labelled_gauges, strict=True):
        gauge.set(value)
        labelled.labels("p").set(value)
        # prometheus_client refuses to add to a gauge of which the most recent value counts.
        if "mostrecent" not in labelled._multiprocess_mode:
            labelled.labels("q").inc(value)
    histogram.observe(value)
    labelled_histogram.labels("k").observe(value)
    summary.observe(value)
    labelled_summary.labels("p").observe(value)
    info.info({"version": str(value), "branch": "main"})
    labelled_info.labels("p").info({"version": str(value)})
    enum.state("running" if value > 2 else "stopped")
    labelled_enum.labels("p").state("down")


def app(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    value = float(query.get("value", ["1"])[0])
    if environ["PATH_INFO"] == "/child":
        child = multiprocessing.get_context("fork").Process(target=update, args=(value,))
        child.start()
        child.join()
        assert child.exitcode == 0
    elif environ["PATH_INFO"] == "/update":
        update(value)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
