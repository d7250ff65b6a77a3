"""A name in INSTALLED_APPS is all there is to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers import exception as handlers
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.test import override_settings

from tests.contrib_django.conftest import MIDDLEWARE, Seen
from tests.e2e.harness import IMPORT_ROOTS, ROOT

APP = "gunicorn_prometheus_exporter_django"


def ready(**given: Any) -> Any:
    """MIDDLEWARE after the app is ready, with these settings."""
    with override_settings(**given):
        apps.get_app_config(APP).ready()
        return settings.MIDDLEWARE


def test_middleware_is_added_last() -> None:
    """The project does not list it, and has it at the end."""
    assert settings.MIDDLEWARE[-1] == MIDDLEWARE
    assert settings.MIDDLEWARE.count(MIDDLEWARE) == 1


def test_list_stays_list_and_tuple_tuple() -> None:
    """Whatever else adds to MIDDLEWARE finds the type that it expects."""
    assert ready(MIDDLEWARE=["a"]) == ["a", MIDDLEWARE]
    assert ready(MIDDLEWARE=("a",)) == ("a", MIDDLEWARE)


def test_listed_middleware_stays_where_it_is() -> None:
    """The user's own place is respected; a system check says what is wrong with it."""
    assert ready(MIDDLEWARE=[MIDDLEWARE, "a"]) == [MIDDLEWARE, "a"]


def test_setting_turns_it_off() -> None:
    """ADD_MIDDLEWARE false leaves MIDDLEWARE alone."""
    assert ready(MIDDLEWARE=["a"], GUNICORN_PROMETHEUS_EXPORTER={"ADD_MIDDLEWARE": False}) == ["a"]


def test_ready_twice(ask: Callable[..., Seen]) -> None:
    """Django calls `ready` again when a test changes INSTALLED_APPS: nothing is there twice."""
    from rest_framework.views import APIView

    handle = APIView.handle_exception
    answer, receivers = handlers.response_for_exception, len(got_request_exception.receivers)
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.messages"]):
        assert settings.MIDDLEWARE.count(MIDDLEWARE) == 1
    assert (handlers.response_for_exception, APIView.handle_exception) == (answer, handle)
    assert len(got_request_exception.receivers) == receivers
    assert ask("/fail/ValueError/").exceptions == (("ValueError", "false", "django"),)


def test_other_middleware_in_a_test(ask: Callable[..., Seen]) -> None:
    """Tests that override MIDDLEWARE work, without the bridge's or with it."""
    with override_settings(MIDDLEWARE=[]):
        assert WSGIHandler()._middleware_chain is not None
    assert ask("/ok/", settings={"MIDDLEWARE": [MIDDLEWARE]}).endpoint == "/ok/"


def test_middleware_without_the_app() -> None:
    """A start that would leave exceptions uncounted says what to do."""
    with (
        override_settings(INSTALLED_APPS=[], MIDDLEWARE=[MIDDLEWARE]),
        pytest.raises(ImproperlyConfigured, match="needs 'gunicorn_prometheus_exporter_django' in INSTALLED_APPS"),
    ):
        WSGIHandler()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"LABEL": "regex"}, r"\[\"LABEL\"\] must be 'route' or 'view_name', not 'regex'"),
        ({"LABLE": "route"}, "unknown key 'LABLE'. Did you mean 'LABEL'?"),
    ],
)
def test_wrong_option_stops_the_start(given: dict[str, object], message: str) -> None:
    """A server does not start with an option that does not mean anything."""
    with override_settings(GUNICORN_PROMETHEUS_EXPORTER=given), pytest.raises(ImproperlyConfigured, match=message):
        WSGIHandler()


def test_label_view_name(ask: Callable[..., Seen]) -> None:
    """LABEL view_name names views, with their namespaces."""
    options = {"GUNICORN_PROMETHEUS_EXPORTER": {"LABEL": "view_name"}}
    assert ask("/api/v1/items/7/", settings=options).endpoint == "/first:detail"
    assert ask("/no/such/", settings=options).endpoint == "__unmatched__"


def test_prefix(ask: Callable[..., Seen]) -> None:
    """PREFIX is put in front of a route, and of nothing else."""
    options = {"GUNICORN_PROMETHEUS_EXPORTER": {"PREFIX": "/shop"}}
    assert ask("/ok/", settings=options).endpoint == "/shop/ok/"
    assert ask("/no/such/", settings=options).endpoint == "__unmatched__"


def test_rest_framework_can_be_left_alone() -> None:
    """REST_FRAMEWORK false leaves its class as it is."""
    code = f"""
import django
from django.conf import settings
settings.configure(SECRET_KEY="x", INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
    "rest_framework", "{APP}"], GUNICORN_PROMETHEUS_EXPORTER={{"REST_FRAMEWORK": WATCH}})
django.setup()
from rest_framework.views import APIView
print(hasattr(APIView.handle_exception, "__wrapped__"))
"""
    assert (python(code.replace("WATCH", "False")), python(code.replace("WATCH", "True"))) == ("False", "True")


def test_import_does_nothing() -> None:
    """The package's modules, those of the app's set-up included, only define names."""
    code = f"""
from django.core.handlers import exception
from django.core.signals import got_request_exception
before = exception.response_for_exception
import {APP}.apps, {APP}.checks, {APP}.exceptions, {APP}.middleware, {APP}.options, {APP}.route
print(exception.response_for_exception is before, got_request_exception.receivers)
"""
    assert python(code) == "True []"


def test_bridge_knows_only_the_note() -> None:
    """Of the core, the bridge imports the note alone."""
    listed = (
        "import sys; print(sorted(name for name in sys.modules if name.startswith('gunicorn_prometheus_exporter.')))"
    )
    with_bridge = python(f"import {APP}.apps, {APP}.middleware\n{listed}")
    assert with_bridge == python(f"import gunicorn_prometheus_exporter.note\n{listed}")


def python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*IMPORT_ROOTS, str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
