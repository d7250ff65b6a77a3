"""The template of a route, and which one a request belongs to."""

from __future__ import annotations

import re
from typing import Any, Final

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote, note_of

from .settings import Settings
from .subrequest import is_inner

ROUTES: Final = __package__
"""The key of an application's registry under which its `Routes` are."""

_IS_NAMED: Final = "_gunicorn_prometheus_exporter_is_named"

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

    def note_unviewed(self, request: Any) -> None:
        """The router has decided on ``request``, or has not come to it, and an exception came before any view."""
        state = request.__dict__
        if _IS_NAMED in state or is_inner(request):
            return
        route = request.matched_route
        if route is not None:
            self.note(request, self.template(route))
        elif "root" in state:
            self.note(request, UNMATCHED)

    def note_view(self, request: Any, found: str) -> None:
        """The first view of ``request`` is about to be called; ``found`` takes the place of ``*traverse``.

        A request without a route has ``/*traverse``. A subrequest names nothing, nor does a view that a view calls.
        """
        state = request.__dict__
        if _IS_NAMED in state:
            return
        state[_IS_NAMED] = True
        if is_inner(request):
            return
        route = request.matched_route
        template = f"/{TRAVERSE}" if route is None else self.template(route)
        if template.endswith(TRAVERSE):
            template = template.removesuffix(TRAVERSE) + found
        self.note(request, template)

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
