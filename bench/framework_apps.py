"""The same small application in each framework, with and without its bridge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

WSGIApp = Callable[..., Iterable[bytes]]


def flask_app(bridge: bool) -> WSGIApp:
    from flask import Flask

    from gunicorn_prometheus_exporter_flask import PrometheusExporter

    app = Flask(__name__)
    if bridge:
        PrometheusExporter(app)

    @app.get("/users/<int:number>")
    def show(number: int) -> str:
        return f"user {number}"

    return app


def django_app(bridge: bool) -> WSGIApp:
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    def show(request: Any, number: int) -> HttpResponse:
        return HttpResponse(f"user {number}")

    class urls:  # noqa: N801 - stands for a module
        urlpatterns: Final = [path("users/<int:number>", show)]

    settings.configure(
        ROOT_URLCONF=urls,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not secret",
        INSTALLED_APPS=["gunicorn_prometheus_exporter_django"] if bridge else [],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )
    django.setup()
    app: WSGIApp = get_wsgi_application()
    return app


def pyramid_app(bridge: bool) -> WSGIApp:
    from pyramid.config import Configurator
    from pyramid.response import Response

    def show(request: Any) -> Response:
        return Response(f"user {request.matchdict['number']}")

    with Configurator() as config:
        if bridge:
            config.include("gunicorn_prometheus_exporter_pyramid")
        config.add_route("user", r"/users/{number:\d+}")
        config.add_view(show, route_name="user")
        app: WSGIApp = config.make_wsgi_app()
    return app


APPS: Final = {"flask": flask_app, "django": django_app, "pyramid": pyramid_app}
