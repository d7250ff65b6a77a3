"""The template of a route: what ``path()`` and ``re_path()`` leave in `ResolverMatch.route`, made readable."""

from __future__ import annotations

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.urls import URLResolver, include, path, re_path
from django.urls.resolvers import RegexPattern

from gunicorn_prometheus_exporter_django.route import template_of


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("", "/"),
        ("users/<int:id>/", "/users/<int:id>/"),
        ("c++/v1.0/<slug>", "/c++/v1.0/<slug>"),
        ("files/<path:name>", "/files/<path:name>"),
        ("^$", "/"),
        (r"^users/$", "/users/"),
        (r"^users/(?P<id>\d+)/\Z", "/users/<id>/"),
        (r"archive/([0-9]{4})/", "/archive/<var>/"),
        (r"documents/(\d+)/(.*)$", "/documents/<var>/<var>"),
        (r"a/((?:x|y)\w+)/(?P<n>(1|2)+)/$", "/a/<var>/<n>/"),
        (r"blog/(?:page-(?P<number>[0-9]+)/)?$", "/blog/page-<number>/"),
        (r"data\.(?:json|xml)$", "/data.<var>"),
        (r"v1\.0/(?i:items)/?$", "/v1.0/items/"),
        (r"users/\d+/[a-z]+\w*/$", "/users/<var>/<var>/"),
        (r"any/.*$", "/any/<var>"),
        (r"^(?!admin)(?P<page>.+)$", "/<page>"),
        (r"(?P<a>[)(])/(?P<b>\))/$", "/<a>/<b>/"),
        (r"(?P<a>x)-(?P=a)$", "/<a>-<a>"),
        (r"^a|b$", "/<var>"),
        ("items/<int:pk>/c/(?P<x>[0-9]{2,4})$", "/items/<int:pk>/c/<x>"),
        ("straße/<int:n>/", "/straße/<int:n>/"),
    ],
)
def test_template(route: str, template: str) -> None:
    """Variable parts are named, everything else is what the client's path has."""
    assert template_of(route) == template


@pytest.mark.parametrize(
    "route", ["^$", r"^a/(?P<b>\w+)/$", r"^a/(\d+)/$", r"^a/(?P<b>(x|y))/c$", r"^a\.b/(?P<c>[^/]+)\.html$"]
)
def test_as_django_where_django_is_right(route: str) -> None:
    """In the simple cases the template is that of Django's own documentation generator."""
    assert template_of(route) == simplify_regex(route).replace("\\", "")


def test_unnamed_groups_after_an_include() -> None:
    """The joined route that Django's simplify_regex mangles."""
    root = URLResolver(
        RegexPattern(r"^/"),
        [path("a/<int:n>/", include([re_path(r"^documents/(\d+)/(.*)$", lambda request: None)]))],
    )
    route = root.resolve("/a/1/documents/7/x").route
    assert template_of(route) == "/a/<int:n>/documents/<var>/<var>"
