"""Which route a request belongs to that Flask's router turned away."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from flask import Request, current_app
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter, RequestRedirect, Rule


def matched_rule(request: Request) -> Rule | None:
    """The rule of a request with the wrong method or slashes; None if there is none for its path."""
    error = request.routing_exception
    if not isinstance(error, (MethodNotAllowed, RequestRedirect)):
        return None
    adapter = current_app.create_url_adapter(request)
    if adapter is None:
        return None
    if isinstance(error, RequestRedirect):
        target = unquote(urlsplit(error.new_url).path)
        return _rule_at(adapter, target.removeprefix(request.root_path.rstrip("/")), request.method)
    return _rule_at(adapter, request.path, _any_of(error) or request.method)


def _rule_at(adapter: MapAdapter, path: str, method: str) -> Rule | None:
    try:
        return adapter.match(path, method, return_rule=True)[0]
    except MethodNotAllowed as error:
        # Redirected first, refused then.
        other = _any_of(error)
        return _rule_at(adapter, path, other) if other is not None and other != method else None
    except Exception:  # A converter of the application's own may raise anything.
        return None


def _any_of(error: MethodNotAllowed) -> str | None:
    """A method that is allowed: the first in the alphabet, so that it is always the same."""
    return min(error.valid_methods or (), default=None)
