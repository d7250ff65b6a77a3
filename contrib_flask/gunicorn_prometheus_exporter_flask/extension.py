"""The Flask extension: notes the route of each request, and the exceptions Flask answered or gave up on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

from flask import Flask, Request, Response, after_this_request, got_request_exception, has_request_context, request
from werkzeug.exceptions import HTTPException

from gunicorn_prometheus_exporter.note import UNMATCHED, note_of

from .route import matched_rule

SOURCE: Final = "flask"
EXTENSION_NAME: Final = "gunicorn_prometheus_exporter"

T = TypeVar("T")


class PrometheusExporter:
    """Tells the exporter what only Flask knows. ``PrometheusExporter(app)``, or ``init_app(app)`` for app factories.

    ``label`` is what names a route: its ``rule``, such as ``/users/<int:id>``, or the ``endpoint`` of its view, such
    as ``/api.users``, which tells routes apart that differ only in host or subdomain. ``prefix`` is put in front of it.
    Without one, it is the place where a dispatcher mounted the application: see
    `gunicorn_prometheus_exporter.note.RequestNote.endpoint`.

    One object may serve several applications, and an application that has one already is left as it is. Outside
    the exporter's workers, with Flask's own server or in tests, it does nothing. Raises ValueError for an unknown
    ``label``, or a ``prefix`` that does not start with a slash.
    """

    def __init__(
        self, app: Flask | None = None, *, label: Literal["rule", "endpoint"] = "rule", prefix: str | None = None
    ) -> None:
        if label not in ("rule", "endpoint"):
            raise ValueError(f"label must be 'rule' or 'endpoint', not {label!r}")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"prefix must be empty or start with a slash, not {prefix!r}")
        self.label = label
        self.prefix = None if prefix is None else prefix.rstrip("/")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Attach to ``app``. Call it at any time before the first request, before or after other extensions."""
        if EXTENSION_NAME in app.extensions:
            return
        app.extensions[EXTENSION_NAME] = self
        # Flask has no signal for an exception that a handler answers, and every exception of a view or a
        # before_request function comes out of one of these two. What replaces the error handling, as Flask-RESTful
        # does, leaves them alone.
        app.preprocess_request = self._noting(app.preprocess_request, self._note_route)  # type: ignore[method-assign]
        app.dispatch_request = self._noting(app.dispatch_request)  # type: ignore[method-assign]
        got_request_exception.connect(self._gave_up, app)

    def _note_route(self, request: Request) -> None:
        environ = request.environ
        note = note_of(environ)
        rule = request.url_rule or matched_rule(request)
        if rule is None:
            note.endpoint(UNMATCHED, environ)
            return
        template = rule.rule if self.label == "rule" else f"/{rule.endpoint}"
        if self.prefix is None:
            note.endpoint(template, environ)
        else:
            note.endpoint(self.prefix + template)

    def _noting(self, call: Callable[..., T], note_route: Callable[[Request], None] | None = None) -> Callable[..., T]:
        """``call``, whose exceptions are noted; before it, ``note_route`` is told of the request."""

        # Flask gives these functions what it gives them by position, or nothing.
        def noting(*args: Any) -> T:
            if note_route is not None:
                # The request itself: each look through Flask's proxy costs as much as all the rest.
                note_route(request._get_current_object())  # type: ignore[attr-defined]
            try:
                return call(*args)
            except Exception as error:
                if is_error(error):
                    # Flask, or a handler, answers it now. If not, `_gave_up` is told.
                    note_of(request.environ).handled(error, SOURCE)
                raise

        return noting

    def _gave_up(self, sender: Flask, exception: BaseException, **_: Any) -> None:
        """Flask has no handler for ``exception``. It becomes a 500, or it is raised for the server to see."""
        if not has_request_context():
            return
        if is_error(exception):
            note_of(request.environ).unhandled(exception, SOURCE)
        # Flask-RESTful says so too of exceptions that it answers, so the answer decides. The list lets go of the
        # exception, which would keep this request's context, and with it itself, alive.
        given_up = [exception]
        del exception

        @after_this_request
        def judge(response: Response) -> Response:
            if given_up:
                self._judge(given_up.pop(), response.status_code)
            return response

    def _judge(self, exception: BaseException, status: int) -> None:
        if not is_answer(status, exception):
            note_of(request.environ).unhandled(exception, SOURCE)
        elif is_error(exception):
            note_of(request.environ).handled(exception, SOURCE)


def is_error(exception: BaseException) -> bool:
    """Whether ``exception`` is one that somebody raised for a reason other than to say where to go.

    What the router raises, for a path or method that no view has or to add a slash, is no exception of the
    application: the status says it all.
    """
    if exception is request.routing_exception:
        return False
    if isinstance(exception, HTTPException):
        return _status(exception) >= 400
    return True


def is_answer(status: int, exception: BaseException) -> bool:
    """Whether a response with ``status`` is an answer to ``exception``, not the 500 for want of one."""
    return status < 500 or (isinstance(exception, HTTPException) and status == _status(exception) != 500)


def _status(exception: HTTPException) -> int:
    """The status code of an HTTP exception: that of the response it carries, if it carries one."""
    return getattr(exception.response, "status_code", None) or exception.code or 500
