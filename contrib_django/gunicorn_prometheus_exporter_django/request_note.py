"""Where a request's note is: what WSGI's and ASGI's requests of Django have in common is not that."""

from __future__ import annotations

from typing import Any

from gunicorn_prometheus_exporter.note import RequestNote, note_of


def note_of_request(request: Any) -> RequestNote:
    """The note of a Django request, or of one that REST framework made of it: the worker puts it where it calls Django.

    That is ASGI's scope, or WSGI's environ, which Django calls META. Of no request, a note that does nothing.
    """
    scope = getattr(request, "scope", None)
    return note_of(getattr(request, "META", {}) if scope is None else scope)
