"""System checks: what is wrong with the setting and with the place of the middleware, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from .middleware import APP, MIDDLEWARE
from .options import SETTING, read_options


def check_setting(**_: Any) -> list[CheckMessage]:
    """E001 no dictionary, E002 unknown key, E003 wrong value."""
    _options, problems = read_options()
    return [Error(problem.message, hint=problem.hint, id=f"{APP}.{problem.code}") for problem in problems]


def check_middleware(**_: Any) -> list[CheckMessage]:
    """E004 listed more than once, W001 listed but not last, W002 not listed and not to be added."""
    listed = [entry for entry in settings.MIDDLEWARE if entry == MIDDLEWARE]
    if len(listed) > 1:
        return [
            Error(
                f"MIDDLEWARE lists {MIDDLEWARE} {len(listed)} times.",
                hint="Keep the last one only, or none: the app adds it in its place.",
                id=f"{APP}.E004",
            )
        ]
    if not listed:
        return [
            Warning(
                f"{MIDDLEWARE} is not in MIDDLEWARE, so endpoints are unknown.",
                hint=f'Put it at the end of MIDDLEWARE, or remove "ADD_MIDDLEWARE" from {SETTING}.',
                id=f"{APP}.W002",
            )
        ]
    if settings.MIDDLEWARE[-1] != MIDDLEWARE:
        return [
            Warning(
                f"{MIDDLEWARE} is not the last of MIDDLEWARE.",
                hint="Put it at the end, or remove it: the app adds it there. A middleware after it can answer a "
                "view's exception unseen, or a whole request, whose endpoint is then unknown.",
                id=f"{APP}.W001",
            )
        ]
    return []
