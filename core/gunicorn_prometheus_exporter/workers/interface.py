"""Which interface an application speaks, as far as one can tell by looking at it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Literal

from gunicorn.errors import AppImportError

Interface = Literal["WSGI", "ASGI"]

_ADVICE: Final = {
    "ASGI": "PrometheusASGIWorker (Gunicorn 25 and newer) or PrometheusUvicornWorker",
    "WSGI": "PrometheusWorker, PrometheusThreadWorker or PrometheusGeventWorker",
}


def interface_of(app: Callable[..., Any]) -> Interface | None:
    """What ``app`` can only be: a coroutine, or three arguments, is ASGI, two arguments are WSGI. None if unclear."""
    call = app if inspect.isroutine(app) else getattr(app, "__call__", app)  # noqa: B004 - its signature is wanted
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return "ASGI"
    if inspect.isclass(app):
        # An application of ASGI 2, or a WSGI application that iterates over itself.
        return None
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return None
    fits_two, fits_three = _takes(signature, 2), _takes(signature, 3)
    if fits_two == fits_three:
        return None
    return "WSGI" if fits_two else "ASGI"


def require_interface(app: Callable[..., Any], wanted: Interface, worker_class: str) -> None:
    """Raise AppImportError, which Gunicorn prints and stops for, if ``app`` certainly is of the other interface.

    Without this, every request would fail with a TypeError about arguments.
    """
    found = interface_of(app)
    if found is None or found == wanted:
        return
    raise AppImportError(
        f"{worker_class} serves {wanted} applications, but this is an {found} application: {app!r}. "
        f"Use worker class gunicorn_prometheus_exporter.{_ADVICE[found]}."
    )


def _takes(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*range(arguments))
    except TypeError:
        return False
    return True
