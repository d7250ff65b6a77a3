"""System checks say what is wrong, under an id, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from tests.contrib_django.conftest import MIDDLEWARE

APP = "gunicorn_prometheus_exporter_django"


def found(**given: Any) -> dict[str, str]:
    """The ids of our checks that complain, and their hints."""
    with override_settings(**given):
        messages = run_checks()
    return {message.id.removeprefix(f"{APP}."): message.hint for message in messages if message.id.startswith(APP)}


def test_nothing_wrong() -> None:
    """The app alone is right, and so are all options with values that they allow."""
    assert found() == {}
    good = {"ADD_MIDDLEWARE": True, "REST_FRAMEWORK": False, "LABEL": "view_name", "PREFIX": "/shop"}
    assert found(GUNICORN_PROMETHEUS_EXPORTER=good) == {}


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        ("on", "E001", 'GUNICORN_PROMETHEUS_EXPORTER = {"LABEL": "route"}'),
        ({"PREFXI": ""}, "E002", "Did you mean 'PREFIX'?"),
        ({"prefix": ""}, "E002", "Did you mean 'PREFIX'?"),
        ({7: ""}, "E002", "ADD_MIDDLEWARE, REST_FRAMEWORK, LABEL, PREFIX"),
        ({"ADD_MIDDLEWARE": "yes"}, "E003", "remove the key"),
        ({"ADD_MIDDLEWARE": 1}, "E003", "remove the key"),
        ({"REST_FRAMEWORK": None}, "E003", "remove the key"),
        ({"LABEL": ["route"]}, "E003", "remove the key"),
        ({"PREFIX": "shop"}, "E003", "remove the key"),
        ({"PREFIX": "/shop/"}, "E003", "remove the key"),
    ],
)
def test_setting(given: object, code: str, hint: str) -> None:
    """Unknown keys and wrong values are errors."""
    complaints = found(GUNICORN_PROMETHEUS_EXPORTER=given)
    assert list(complaints) == [code]
    assert hint in complaints[code]


@pytest.mark.parametrize(
    ("middleware", "code", "hint"),
    [
        ([MIDDLEWARE, "a", MIDDLEWARE], "E004", "Keep the last one only"),
        ([MIDDLEWARE, "a"], "W001", "Put it at the end"),
        (["a"], "W002", "ADD_MIDDLEWARE"),
    ],
)
def test_place_of_the_middleware(middleware: list[str], code: str, hint: str) -> None:
    """Twice is an error; not last, or not at all, a warning."""
    complaints = found(MIDDLEWARE=middleware)
    assert list(complaints) == [code]
    assert hint in complaints[code]


def test_last_is_right() -> None:
    """Listed by the user, in the right place."""
    assert found(MIDDLEWARE=[*settings.MIDDLEWARE[:-1], MIDDLEWARE]) == {}
