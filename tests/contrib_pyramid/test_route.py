"""A route's pattern, without what only its matching needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gunicorn_prometheus_exporter_pyramid.route import template_of
from gunicorn_prometheus_exporter_pyramid.views import view_name
from tests.contrib_pyramid.site import Folder, IDocument


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("users", "/users"),
        ("/users/{id}", "/users/{id}"),
        (r"/users/{id:\d+}", "/users/{id}"),
        (r"/y/{year:\d{4}}-{month:\d{1,2}}.html", "/y/{year}-{month}.html"),
        ("/a/{b:x|:y}/{c}", "/a/{b}/{c}"),
        ("/old/:name/:other", "/old/{name}/{other}"),
        ("/time/{at}/12:noon", "/time/{at}/12:noon"),
        ("static/*subpath", "/static/*subpath"),
        ("hyb/{x}/*traverse", "/hyb/{x}/*traverse"),
        ("/größe/{größe}", "/größe/{größe}"),
    ],
)
def test_template(pattern: str, template: str) -> None:
    assert template_of(pattern) == template


@given(st.text(alphabet="/{}:*ab\\d+", max_size=30))
def test_template_of_any_pattern(pattern: str) -> None:
    """Whatever a pattern looks like, it has a template, and that has a leading slash."""
    assert template_of(pattern).startswith("/")


@pytest.mark.parametrize(
    ("context", "name", "expected"),
    [
        (Folder, "edit", "Folder#edit"),
        (Folder, "", "Folder"),
        (Folder, None, "Folder"),
        (IDocument, "read", "IDocument#read"),
        (None, "any", "*traverse#any"),
        (None, "", "*traverse"),
    ],
)
def test_view_name(context: type | None, name: str | None, expected: str) -> None:
    assert view_name(context, name) == expected
