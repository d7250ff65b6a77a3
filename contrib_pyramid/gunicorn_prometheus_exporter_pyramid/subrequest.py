"""Requests that the application makes to itself with ``request.invoke_subrequest``."""

from __future__ import annotations

from typing import Any

from pyramid.threadlocal import manager

from gunicorn_prometheus_exporter.note import NOTE_KEY


def is_inner(request: Any) -> bool:
    """Whether the application made ``request``, while it served another one."""
    return len(manager.stack) > 1 and outer_request(request) is not None


def outer_request(request: Any) -> Any:
    """The request that was being served when the application made ``request``; None if the server made it.

    A subrequest has an ``environ`` of its own, without a note, or a copy of the outer one's, with the same note. One
    that an unfinished request of a test or a script left behind on Pyramid's stack has neither.
    """
    environ = request.environ
    for entry in manager.stack:
        outer = entry["request"]
        if outer is request:
            return None
        if outer is None or entry["registry"] is not request.registry:
            continue
        note = outer.environ.get(NOTE_KEY)
        if note is not None and environ.get(NOTE_KEY, note) is note:
            return outer
    return None
