"""Pyramid bridge of gunicorn-prometheus-exporter: the route template of each request and the errors Pyramid handled."""

from __future__ import annotations

from typing import Any

from pyramid.config import PHASE1_CONFIG
from pyramid.events import ApplicationCreated, BeforeTraversal, NewResponse
from pyramid.tweens import EXCVIEW
from pyramid.viewderivers import INGRESS

from .placement import warn_of_misplaced_tween
from .route import Routes
from .settings import read_settings
from .traversal import FoundViews
from .tweens import ERROR_TWEEN, note_answered

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
    config.add_tween(ERROR_TWEEN, under=EXCVIEW)
    config.add_subscriber(note_answered, NewResponse)
    config.add_subscriber(warn_of_misplaced_tween, ApplicationCreated)

    def register() -> None:
        routes = Routes(read_settings(config.registry.settings))
        config.add_subscriber(routes.note_route, BeforeTraversal)
        config.add_view_deriver(FoundViews(routes).derive, name=__name__, under=INGRESS, over="secured_view")

    # Settings may still change until the configuration is committed, and derivers must be there before views are.
    config.action(None, register, order=PHASE1_CONFIG)
