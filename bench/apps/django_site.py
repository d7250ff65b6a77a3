"""One Django application: alone, with the bridge, with django-prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

_COMMON = "django.middleware.common.CommonMiddleware"


def _show(request: Any, number: int) -> HttpResponse:
    return HttpResponse(f"user {number}")


class _Urls:
    """Stands for a module."""

    urlpatterns: Final = [path("users/<int:number>", _show)]


def _site(apps: list[str], middleware: list[str]) -> Callable[..., Any]:
    settings.configure(
        ROOT_URLCONF=_Urls,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not secret",
        INSTALLED_APPS=apps,
        MIDDLEWARE=middleware,
    )
    django.setup()
    app: Callable[..., Any] = get_wsgi_application()
    return app


def bare() -> Callable[..., Any]:
    return _site([], [_COMMON])


def bridged() -> Callable[..., Any]:
    return _site(["gunicorn_prometheus_exporter_django"], [_COMMON])


def django_prometheus() -> Callable[..., Any]:
    before = "django_prometheus.middleware.PrometheusBeforeMiddleware"
    after = "django_prometheus.middleware.PrometheusAfterMiddleware"
    return _site(["django_prometheus"], [before, _COMMON, after])
