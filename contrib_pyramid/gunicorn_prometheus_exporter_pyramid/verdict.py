"""What counts as an exception of the application."""

from __future__ import annotations

from typing import Final

from pyramid.exceptions import PredicateMismatch
from pyramid.httpexceptions import HTTPException, HTTPNotFound
from pyramid.router import Router

_ROUTER: Final = Router.handle_request.__code__


def is_error(error: BaseException) -> bool:
    """Whether somebody raised ``error`` for another reason than to say where to go, or that there is nothing here.

    A raised redirect is control flow. What the router raises when it finds no view is no exception of the
    application: the status says it all.
    """
    if isinstance(error, HTTPException) and error.status_code < 400:
        return False
    return not (isinstance(error, HTTPNotFound) and _is_routers_own(error))


def _is_routers_own(error: HTTPNotFound) -> bool:
    """Whether the router raised ``error``, or one of its helpers as the predicates of all views failed.

    Applications raise the same class, and so does the router of a subrequest, to the view that made it.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code is not _ROUTER:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    inside = traceback.tb_next
    if inside is None:
        return True
    while inside is not None and inside.tb_frame.f_code is not _ROUTER:
        inside = inside.tb_next
    return inside is None and isinstance(error, PredicateMismatch)
