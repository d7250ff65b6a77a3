"""Traversal: which of the views that exist was found. What a client asked for in vain names nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.interfaces import IRoutesMapper

from gunicorn_prometheus_exporter.note import UNMATCHED, note_of

from .route import TRAVERSE, Routes
from .subrequest import outer_request

View = Callable[[Any, Any], Any]


class FoundViews:
    """Notes the views that traversal finds, in one application with these ``routes``."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def derive(self, view: View, info: Any) -> View:
        """A view deriver, outside of the permission check: a view that is forbidden was found.

        A view of a route without traversal stays as it is: the route says it all.
        """
        if info.exception_only or self._is_on_a_plain_route(info):
            return view
        found = view_name(info.options.get("context"), info.options.get("name"))

        def found_view(context: Any, request: Any) -> Any:
            template = note_of(request.environ).template
            if template is not None and (template == UNMATCHED or template.endswith(TRAVERSE)):
                self._note(request, found)
            return view(context, request)

        return found_view

    def _is_on_a_plain_route(self, info: Any) -> bool:
        name = info.options.get("route_name")
        mapper = info.registry.queryUtility(IRoutesMapper)
        route = mapper.get_route(name) if name is not None and mapper is not None else None
        return route is not None and not self._routes.template(route).endswith(TRAVERSE)

    def _note(self, request: Any, found: str) -> None:
        """``found`` takes the place of ``*traverse`` in the pattern of the route, or in ``/*traverse`` without one."""
        if outer_request(request) is not None:
            return
        route = request.matched_route
        pattern = f"/{TRAVERSE}" if route is None else self._routes.template(route)
        if pattern.endswith(TRAVERSE):
            self._routes.note(request, pattern.removesuffix(TRAVERSE) + found)


def view_name(context: Any, name: str | None) -> str:
    """What names a view: ``Folder#edit``, or ``Folder`` for its default view. ``*traverse`` is a context of any kind.

    ``context`` is the class or interface for which the view was registered, not that of the resource.
    """
    kind = TRAVERSE if context is None else getattr(context, "__name__", type(context).__name__)
    return f"{kind}#{name}" if name else kind
