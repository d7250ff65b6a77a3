"""The setting ``GUNICORN_PROMETHEUS_EXPORTER``: a dictionary of options, each with a default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from django.conf import settings

SETTING: Final = "GUNICORN_PROMETHEUS_EXPORTER"
LABELS: Final = ("route", "view_name")


@dataclass(frozen=True)
class Options:
    """The keys of the setting, in lower case.

    ``add_middleware``: put the middleware last if it is not listed. ``rest_framework``: note the exceptions that
    Django REST framework answers. ``label``: what names an endpoint, its ``route`` such as ``/users/<int:id>/`` or
    its ``view_name`` such as ``/api:user-detail``. ``prefix``: what is put in front of it, by default the place where
    a dispatcher mounted the application.
    """

    add_middleware: bool = True
    rest_framework: bool = True
    label: str = "route"
    prefix: str | None = None


class Problem(NamedTuple):
    """What is wrong with the setting, in a sentence, and what to do. ``code`` is the id of the system check."""

    code: str
    message: str
    hint: str


def read_options() -> tuple[Options, list[Problem]]:
    """The options, and what is wrong with them: an option that is wrong has its default."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        problem = Problem(
            "E001", f"{SETTING} must be a dictionary, not {given!r}.", f'Write {SETTING} = {{"LABEL": "route"}}.'
        )
        return Options(), [problem]
    good: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in given.items():
        allowed = _allowed(key)
        if allowed is None:
            problems.append(_unknown(key))
        elif _fits(key, value):
            good[key.lower()] = value
        else:
            message = f'{SETTING}["{key}"] must be {allowed}, not {value!r}.'
            problems.append(Problem("E003", message, "Correct the value, or remove the key for the default."))
    return Options(**good), problems


def _allowed(key: object) -> str | None:
    """What the values of an option may be, in words; None for an unknown one."""
    return {
        "ADD_MIDDLEWARE": "True or False",
        "REST_FRAMEWORK": "True or False",
        "LABEL": " or ".join(map(repr, LABELS)),
        "PREFIX": "None, empty, or a string that starts with a slash and does not end with one",
    }.get(str(key))


def _fits(key: str, value: object) -> bool:
    if key == "LABEL":
        return value in LABELS
    if key == "PREFIX":
        return value in (None, "") or (isinstance(value, str) and value.startswith("/") and not value.endswith("/"))
    return isinstance(value, bool)


def _unknown(key: object) -> Problem:
    names = [field.name.upper() for field in fields(Options)]
    close = get_close_matches(str(key).upper(), names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"The keys are {', '.join(names)}."
    return Problem("E002", f"{SETTING} has the unknown key {key!r}.", hint)
