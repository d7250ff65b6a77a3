"""How a request ended: its status, whether its response was cut short, and the exception that escaped, if any."""

from __future__ import annotations

import os
from types import FrameType
from typing import Any, Final, NamedTuple

import gunicorn

from ..gunicorn_versions import MALFORMED_BODY, error_page_size, eventlet_sendfile_frame, file_wrapper_frame

_GUNICORN: Final = os.path.dirname(gunicorn.__file__) + os.sep
_WORKERS: Final = os.path.join(_GUNICORN, "workers") + os.sep

CLIENT_CLOSED_REQUEST: Final = 499
"""No response: the client went away first. Not in any RFC; nginx made the number a convention."""

_READING_FAILED: Final = frozenset({"ClientDisconnected", "UnreadablePostError", "DisconnectionError"})
"""What Werkzeug, Django and WebOb raise when the client goes away before its whole body is there."""


class Outcome(NamedTuple):
    """``escaped`` is what the application raised and nobody handled, None for a client that went away."""

    status: int
    aborted: bool
    escaped: BaseException | None


def failed_outcome(error: BaseException, response: Any, sent: int) -> Outcome:
    """The outcome of a request that left Gunicorn's ``handle_request`` with ``error``, after ``sent`` body bytes."""
    if isinstance(error, StopIteration):
        # Gunicorn's word for "close the connection": either nothing is wrong, or it stands for what went wrong before.
        if error.__context__ is None:
            return Outcome(response_status(response), False, None)
        error = error.__context__
    if is_clients_doing(error):
        return Outcome(_status_without_client(error, response), True, None)
    if not response.headers_sent:
        return Outcome(500, False, error)
    complete = response.response_length is not None and sent >= response.response_length
    return Outcome(response_status(response), not complete, error)


def page_bytes(outcome: Outcome, response: Any) -> int:
    """Body bytes of the page that Gunicorn sent in place of the application's response, 0 if it sent none.

    For an OSError it just closes the connection, and HTTP/2 has no such page.
    """
    error = outcome.escaped
    if not isinstance(error, Exception) or isinstance(error, OSError) or response.headers_sent:
        return 0
    return error_page_size() if response.req.version < (2, 0) else 0


def response_status(response: Any) -> int:
    """The status code that the application gave, 0 if it gave no valid one."""
    code = getattr(response, "status_code", None)
    return code if isinstance(code, int) and 100 <= code <= 999 else 0


def _status_without_client(error: BaseException, response: Any) -> int:
    if response.status is not None:
        return response_status(response)
    if isinstance(error, MALFORMED_BODY) and not isinstance(error, OSError):
        return 400
    return CLIENT_CLOSED_REQUEST


def is_clients_doing(error: BaseException) -> bool:
    """Whether ``error`` came up while Gunicorn read from the client or wrote to it, or was raised from one that did.

    An OSError alone tells nothing, since applications raise their own. What counts is where it was raised: in the
    part of Gunicorn that talks to the socket, be it called by the worker or by an application that reads its input.
    """
    cause = error.__cause__
    return (
        type(error).__name__ in _READING_FAILED
        or _came_from_the_socket(error)
        or (cause is not None and _came_from_the_socket(cause))
    )


def _came_from_the_socket(error: BaseException) -> bool:
    if not isinstance(error, (OSError, *MALFORMED_BODY)) and not type(error).__name__.startswith("HTTP2"):
        return False
    traceback = error.__traceback__
    talking = False
    while traceback is not None:
        frame = traceback.tb_frame
        if _talks_to_client(frame):
            talking = True
        elif not _is_transport(frame):
            talking = False
        traceback = traceback.tb_next
    return talking


def _talks_to_client(frame: FrameType) -> bool:
    filename = frame.f_code.co_filename
    return filename.startswith(_GUNICORN) and not filename.startswith(_WORKERS) and not file_wrapper_frame(frame)


def _is_transport(frame: FrameType) -> bool:
    """Below Gunicorn there are only sockets: the standard library's, gevent's or eventlet's, and our own meter."""
    module = str(frame.f_globals.get("__name__", ""))
    packages = {"socket", "ssl", "gevent", "eventlet", "h2", __name__.partition(".")[0]}
    return module.partition(".")[0] in packages or eventlet_sendfile_frame(frame)
