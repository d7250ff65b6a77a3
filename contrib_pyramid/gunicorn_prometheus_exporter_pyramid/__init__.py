"""Pyramid bridge of gunicorn-prometheus-exporter: the route template of each request and the errors Pyramid handled."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import PHASE1_CONFIG
from pyramid.tweens import EXCVIEW
from pyramid.viewderivers import INGRESS

from .placement import warn_of_misplaced_tween
from .route import ROUTES, Routes
from .settings import read_settings
from .tweens import ERROR_TWEEN
from .views import FoundViews

_LAST: Final = 1_000_000

__all__ = ["includeme"]


def includeme(config: Any) -> None:
    """Tell the exporter what only Pyramid knows: ``config.include("gunicorn_prometheus_exporter_pyramid")``.

    Or in the ini file, with ``pyramid.includes``. Outside the exporter's workers, with another server or in tests, it
    does nothing. These settings are read once, when the configuration is committed; another name that starts like
    theirs, or another value, is a ConfigurationError then:

    ``gunicorn_prometheus_exporter.label``
        What names a route: its ``pattern``, such as ``/users/{id}``, which is the default, or its ``name``, such as
        ``/user``, which tells routes apart that differ only in their predicates.

    ``gunicorn_prometheus_exporter.prefix``
        What is put in front of it. Without one, it is the place where a dispatcher mounted the application: see
        `gunicorn_prometheus_exporter.note.RequestNote.endpoint`.

    If you list ``pyramid.tweens`` yourself, list this one as well, or exceptions are missed that only a tween sees; a
    warning says so when the application is made::

        pyramid.tweens =
            pyramid.tweens.excview_tween_factory
            gunicorn_prometheus_exporter_pyramid.tweens.error_tween_factory
    """
    # No subscriber to an event of each request: a single one, of whatever event, makes Pyramid send all of them, which
    # costs several times what everything here does.
    config.add_tween(ERROR_TWEEN, under=EXCVIEW)

    def register() -> None:
        routes = config.registry[ROUTES] = Routes(read_settings(config.registry.settings))
        config.add_view_deriver(FoundViews(routes).derive, name=__name__, under=INGRESS, over="secured_view")

    # Settings may still change until the configuration is committed, and derivers must be there before views are.
    config.action(None, register, order=PHASE1_CONFIG)
    config.action(None, warn_of_misplaced_tween, (config.registry,), order=_LAST)
