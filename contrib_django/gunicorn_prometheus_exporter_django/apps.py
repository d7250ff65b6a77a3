"""The Django app: with its name in ``INSTALLED_APPS`` everything else is in its place."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks

from .checks import check_middleware, check_setting
from .exceptions import watch_exceptions
from .middleware import APP, MIDDLEWARE
from .options import read_options


class GunicornPrometheusExporterConfig(AppConfig):
    """Adds the middleware, and has exceptions noted. Outside the exporter's workers all of it does nothing."""

    name = APP
    verbose_name = "Gunicorn Prometheus exporter"

    def ready(self) -> None:
        options, _problems = read_options()
        watch_exceptions()
        if options.rest_framework and apps.is_installed("rest_framework"):
            from .rest_framework import watch_rest_framework

            watch_rest_framework()
        if options.add_middleware:
            add_middleware()
        checks.register(check_setting)
        checks.register(check_middleware)


def add_middleware() -> None:
    """Put the middleware at the end of ``MIDDLEWARE``, unless it is there. Handlers read the list after this."""
    listed = settings.MIDDLEWARE
    if MIDDLEWARE not in listed:
        settings.MIDDLEWARE = (*listed, MIDDLEWARE) if isinstance(listed, tuple) else [*listed, MIDDLEWARE]
