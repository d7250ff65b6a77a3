"""How a request ended, read off the exception that ended it."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from gunicorn_prometheus_exporter.recorder.outcome import (
    CLIENT_CLOSED_REQUEST,
    Outcome,
    failed_outcome,
    page_bytes,
    response_status,
)
from tests.core.recorder.recording import Response


def response(status: int | None = 200, *, sent: int = 0, length: int | None = None) -> Response:
    made = Response()
    if status is not None:
        made.start_response(f"{status} Status", [])
    made.response_length = length
    if sent:
        made.write(b"x" * sent)
    return made


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def reset_while_reading() -> BaseException:
    """What an application meets that reads the body of a client that has gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        try:
            Body(LengthReader(SocketUnreader(ours), 1000)).read()
        except OSError as error:
            return error
    raise AssertionError("nothing was raised")


def test_an_exception_before_the_response() -> None:
    """A 500, and the application's."""
    error = raised(ValueError())
    assert failed_outcome(error, response(None), 0) == Outcome(500, False, error)
    assert failed_outcome(error, response(200), 0) == Outcome(500, False, error)


def test_an_exception_in_the_body() -> None:
    """The status is out; whether something is missing depends on what was announced."""
    error = raised(ValueError())
    assert failed_outcome(error, response(200, sent=10), 10) == Outcome(200, True, error)
    assert failed_outcome(error, response(200, sent=10, length=20), 10) == Outcome(200, True, error)
    assert failed_outcome(error, response(200, sent=20, length=20), 20) == Outcome(200, False, error)


def test_gunicorns_word_for_closing() -> None:
    """StopIteration alone means that nothing is wrong; otherwise what it came from counts."""
    assert failed_outcome(StopIteration(), response(204), 0) == Outcome(204, False, None)
    stop, cause = StopIteration(), raised(ValueError())
    stop.__context__ = cause
    assert failed_outcome(stop, response(200, sent=5), 5) == Outcome(200, True, cause)


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), BrokenPipeError(), OSError(errno.EPIPE, "x"), TimeoutError()]
)
def test_the_applications_own_oserror(error: OSError) -> None:
    """It was raised in no part of Gunicorn that talks to a client."""
    caught = raised(error)
    assert failed_outcome(caught, response(None), 0) == Outcome(500, False, caught)


def test_the_clients_doing() -> None:
    """The same classes, raised while the body was read: nobody's exception."""
    error = reset_while_reading()
    assert failed_outcome(error, response(None), 0) == Outcome(CLIENT_CLOSED_REQUEST, True, None)
    assert failed_outcome(error, response(200, sent=5), 5) == Outcome(200, True, None)


def test_an_exception_raised_from_the_clients_doing() -> None:
    """Frameworks wrap it in their own."""
    error = RuntimeError()
    error.__cause__ = reset_while_reading()
    assert failed_outcome(raised(error), response(None), 0) == Outcome(CLIENT_CLOSED_REQUEST, True, None)


@pytest.mark.parametrize("code", [None, 0, 99, 1000, "200"])
def test_no_valid_status(code: object) -> None:
    """Is no status."""
    made = Response()
    made.status_code = code  # type: ignore[assignment]
    assert response_status(made) == 0


@pytest.mark.parametrize(
    ("error", "headers_sent", "version", "has_page"),
    [
        (ValueError(), False, (1, 1), True),
        (ValueError(), True, (1, 1), False),
        (ValueError(), False, (2, 0), False),
        (FileNotFoundError(), False, (1, 1), False),
        (SystemExit(), False, (1, 1), False),
        (None, False, (1, 1), False),
    ],
)
def test_the_servers_own_page(
    error: BaseException | None, headers_sent: bool, version: tuple[int, int], has_page: bool
) -> None:
    """Gunicorn answers what escaped the application before its response, but not an OSError, and not on HTTP/2."""
    answer = SimpleNamespace(headers_sent=headers_sent, req=SimpleNamespace(version=version))
    assert (page_bytes(Outcome(500, False, error), answer) > 0) is has_page
