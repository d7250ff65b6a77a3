"""From the routes that Starlette and FastAPI choose to the template that names an endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import wraps
from typing import Any, Final

from starlette.routing import BaseRoute, Match, Mount

from gunicorn_prometheus_exporter.note import UNMATCHED, RequestNote, note_of

Scope = MutableMapping[str, Any]
Handle = Callable[[Any, Scope, Any, Any], Awaitable[None]]

_MOUNTED: Final = "/{path}"
_REDIRECTS: Final = frozenset({307, 308})


def note_route(handle: Handle) -> Handle:
    """``handle`` of a class of routes, which a router calls for the route it has chosen, wrapped.

    It passes on the coroutine that it gets, so a request waits in as many of them as before.
    """

    @wraps(handle)
    def noting_handle(route: Any, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        _name(note_of(scope), route, scope)
        return handle(route, scope, receive, send)

    return noting_handle


def name_unrouted(scope: Scope, note: RequestNote, status: int) -> None:
    """Name a request that no route was given, if a router was asked. ``status`` is that of the response."""
    router = scope.get("router")
    if router is None:
        return
    template = _frontend_template(scope)
    if template is None and status in _REDIRECTS:
        template = _redirected_template(router, scope)
    note.prefix = ""
    note.endpoint(UNMATCHED if template is None else template)


def _name(note: RequestNote, route: Any, scope: Scope) -> None:
    template = _template(route, scope)
    if template is None:
        return
    if not isinstance(route, Mount):
        note.endpoint(template)
    elif route.routes:
        # The router in there speaks next, and if it finds nothing, there is nothing.
        note.prefix += template.removesuffix(_MOUNTED)
        note.template = UNMATCHED
    else:
        # Files, or an application of which nothing is known but where it is, unless its own bridge speaks.
        note.endpoint(template)
        note.prefix += template.removesuffix(_MOUNTED)


def _template(route: Any, scope: Scope) -> str | None:
    """The path of ``route`` with its parameters named; None for what only groups routes."""
    # FastAPI keeps a router that was included as it is, and what the inclusion made of its routes in the scope.
    context = _of_fastapi(scope, "effective_route_context")
    if context is not None and getattr(context, "original_route", None) is route:
        route = getattr(context, "starlette_route", None) or context
    template = getattr(route, "path_format", None)
    return template if isinstance(template, str) else None


def _of_fastapi(scope: Scope, name: str) -> Any:
    said = scope.get("fastapi")
    return said.get(name) if isinstance(said, dict) else None


def _frontend_template(scope: Scope) -> str | None:
    """The template of files that FastAPI serves for paths that no route has (``app.frontend``)."""
    path = _of_fastapi(scope, "frontend_path")
    if not isinstance(path, str):
        return None
    mounted: str = scope["path"].removeprefix(scope.get("root_path", "")).removesuffix(path)
    return mounted.rstrip("/") + _MOUNTED


def _redirected_template(router: Any, scope: Scope) -> str | None:
    """The template of the route to which a router redirects a path that only lacks a slash at its end, or has one."""
    path: str = scope["path"]
    slashed = {**scope, "path": path.rstrip("/") if path.endswith("/") else f"{path}/"}
    # What a mount has made of these is for its inside.
    slashed["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
    return _template_at(router.routes, slashed)


def _template_at(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            template = _template_at(route.effective_route_contexts(), scope)
            if template is not None:
                return template
            continue
        match, child_scope = route.matches(scope)
        if match is Match.NONE:
            continue
        template = _template(getattr(route, "starlette_route", None) or route, scope)
        inside = getattr(route, "routes", None)
        if not isinstance(route, Mount) or not inside or template is None:
            return template
        below = _template_at(inside, {**scope, **child_scope})
        return None if below is None else template.removesuffix(_MOUNTED) + below
    return None
