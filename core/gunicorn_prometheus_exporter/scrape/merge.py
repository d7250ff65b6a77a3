"""Merges what the segments said into families, as prometheus_client does in its multiprocess mode.

Where each value goes is worked out once for a set of segments (`plan`), and holds until one of them gets new entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from gunicorn_prometheus_exporter.scrape.families import Family
from gunicorn_prometheus_exporter.scrape.plan import Plan, Step
from gunicorn_prometheus_exporter.scrape.reader import Layout, Reading
from gunicorn_prometheus_exporter.storage.names import SegmentName
