"""The template of a route, and the subscriber that notes which one a request belongs to."""

from __future__ import annotations

import re
from typing import Any, Final

from pyramid.threadlocal import manager

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote, note_of

from .settings import Settings
from .subrequest import outer_request

TRAVERSE: Final = "*traverse"
"""How the pattern of a route ends whose views are found by traversal."""

# Braces in the regex of a placeholder may be nested once, as in {year:\d{4}}: Pyramid's own rule.
_PLACEHOLDER: Final = re.compile(r"\{([_a-zA-Z]\w*)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_OLD_PLACEHOLDER: Final = re.compile(r":([_a-zA-Z]\w*)")


def template_of(pattern: str) -> str:
    """The pattern of a route with a leading slash, and with the names of its placeholders but not their regexes."""
    template, placeholders = _PLACEHOLDER.subn(r"{\1}", pattern)
    if not placeholders:
        template = _OLD_PLACEHOLDER.sub(r"{\1}", template)
    return template if template.startswith("/") else f"/{template}"


class Routes:
    """The routes of one application, named as its ``settings`` say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._templates: dict[Any, str] = {}

    def note_route(self, event: Any) -> None:
        """A BeforeTraversal subscriber: the router has just decided. What takes long or fails comes later."""
        request = event.request
        if len(manager.stack) > 1 and outer_request(request) is not None:
            return
        route = request.matched_route
        self.note(request, UNMATCHED if route is None else self.template(route))

    def template(self, route: Any) -> str:
        """What names ``route``, with a leading slash."""
        template = self._templates.get(route)
        if template is None:
            template = self._templates[route] = self._name(route)
        return template

    def note(self, request: Any, template: str) -> None:
        """``request`` belongs to ``template``."""
        environ = request.environ
        note: RequestNote = note_of(environ)
        prefix = self._settings.prefix
        if prefix is None or template == UNMATCHED:
            note.endpoint(template, environ)
        else:
            note.endpoint(prefix + template)

    def _name(self, route: Any) -> str:
        template = template_of(route.pattern)
        if self._settings.label == "pattern":
            return template
        name = f"/{route.name.strip('/')}"
        return f"{name}/{TRAVERSE}" if template.endswith(TRAVERSE) else name
