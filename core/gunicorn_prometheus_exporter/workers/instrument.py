"""The WSGI seam: the application, called with a note in its ``environ``, its response handed on as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from gunicorn import config

from ..failures import Failures
from ..gunicorn_versions import WholeBody
from ..note import NOTE_KEY
from ..recorder.meters import BodyMeter, SendfileMeter
from ..recorder.recorder import Recorder

_REACHED = "_gunicorn_prometheus_reached_the_application"

_exception: Callable[[], BaseException | None] = getattr(sys, "exception", lambda: sys.exc_info()[1])
"""`sys.exception` of Python 3.11, which makes no tuple."""

_NO_HOOK: Final = config.PostRequest.post_request
"""Gunicorn's default hook, which does nothing."""

WSGIApp = Callable[..., Iterable[bytes]]
PostRequest = Callable[[Any, Any, dict[str, Any], Any], None]


def instrumented(app: WSGIApp, recorder: Recorder, failures: Failures) -> WSGIApp:
    """Calls ``app`` with a note in the request's ``environ``.

    The application's iterable is returned unwrapped: Gunicorn sends a ``wsgi.file_wrapper`` with sendfile only if it
    sees it itself.
    """
    begin = recorder.beginning

    def instrumented_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            request = begin(environ, start_response)
        except Exception as error:
            failures.report("recorder", error)
            return app(environ, start_response)
        environ[NOTE_KEY] = request
        body = app(environ, request.start_response)
        try:
            if type(request.body) is WholeBody:
                body = request.meter = BodyMeter(body)
            elif isinstance(body, environ["wsgi.file_wrapper"]):
                request.response.sock = request.meter = SendfileMeter(request.response.sock)
        except Exception as error:
            failures.report("recorder", error)
        return body

    return instrumented_app


def recording_post_request(recorder: Recorder, failures: Failures, users: PostRequest) -> PostRequest:
    """A ``post_request`` hook that records the request, then calls the user's own."""
    finish = recorder.finish

    def post_request(worker: Any, req: Any, environ: dict[str, Any], resp: Any) -> None:
        # Gunicorn calls this hook from a finally clause, so an exception that ended the request is still to be seen.
        error = _exception()
        request = environ.get(NOTE_KEY)
        if request is not None:
            try:
                finish(request, error)
                if error is not None:
                    setattr(req, _REACHED, True)
            except Exception as failure:
                failures.report("recorder", failure)
        if failures.unlogged:
            failures.flush()
        if users is not _NO_HOOK:
            users(worker, req, environ, resp)

    return post_request


def reached_application(req: Any) -> bool:
    """Whether the failed request ``req`` had reached the application, and so is counted as a request already."""
    return hasattr(req, _REACHED)
