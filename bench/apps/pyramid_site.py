"""One Pyramid application: alone, and with the bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.response import Response


def _show(request: Any) -> Response:
    return Response(f"user {request.matchdict['number']}")


def _site(*includes: str) -> Callable[..., Any]:
    with Configurator() as config:
        for include in includes:
            config.include(include)
        config.add_route("user", r"/users/{number:\d+}")
        config.add_view(_show, route_name="user")
        app: Callable[..., Any] = config.make_wsgi_app()
    return app


def bare() -> Callable[..., Any]:
    return _site()


def bridged() -> Callable[..., Any]:
    return _site("gunicorn_prometheus_exporter_pyramid")
