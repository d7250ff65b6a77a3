"""Exceptions by class: answered by somebody, or by a 500 for want of an answer."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Mount, Route

from tests.contrib_starlette.conftest import Ask

KINDS = {
    "LookupError": LookupError,
    "KeyError": KeyError,
    "ValueError": ValueError,
    "Moved": lambda: HTTPException(307, headers={"Location": "/"}),
    "Teapot": lambda: HTTPException(418),
    "Unavailable": lambda: HTTPException(503),
    "TypeError": TypeError,
}


async def fail(request: Any) -> Any:
    raise KINDS[request.path_params["kind"]]()


def fail_in_a_thread(request: Any) -> Any:
    raise KINDS[request.path_params["kind"]]()


async def look_up(request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("not found", 404)


def short_and_stout(request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("tea", 418)


async def fail_again(request: Any, error: Exception) -> Any:
    raise RuntimeError("no answer") from error


async def in_the_middle(request: Any, call_next: Any) -> Any:
    if "middle" in request.query_params:
        raise ValueError("in a middleware")
    return await call_next(request)


def application() -> Starlette:
    routes = [Route("/{kind}", fail), Route("/thread/{kind}", fail_in_a_thread)]
    return Starlette(
        routes=[*routes, Mount("/sub", Starlette(routes=list(routes)))],
        exception_handlers={LookupError: look_up, 418: short_and_stout, TypeError: fail_again},
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=in_the_middle)],
    )


def one(error_type: str, handled: str) -> tuple[tuple[str, str, str], ...]:
    return ((error_type, handled, "starlette"),)


@pytest.mark.parametrize("prefix", ["/", "/thread/"])
@pytest.mark.parametrize(
    ("kind", "status", "exceptions"),
    [
        ("LookupError", 404, one("LookupError", "true")),
        ("KeyError", 404, one("KeyError", "true")),
        ("ValueError", 500, one("ValueError", "false")),
        ("Moved", 307, ()),
        ("Teapot", 418, one("HTTPException", "true")),
        ("Unavailable", 503, one("HTTPException", "true")),
        ("TypeError", 500, one("TypeError", "false")),
    ],
)
def test_handlers(ask: Ask, prefix: str, kind: str, status: int, exceptions: tuple[tuple[str, str, str], ...]) -> None:
    """By class, base class and status code; what a handler's failure leaves is the first exception, unhandled."""
    assert ask(application(), prefix + kind) == (status, prefix + "{kind}", exceptions)


@pytest.mark.parametrize(("kind", "status", "handled"), [("ValueError", 500, "false"), ("Teapot", 418, "true")])
def test_mounted_application(ask: Ask, kind: str, status: int, handled: str) -> None:
    """An application in an application has handlers of its own, and what it gives up on is its own 500."""
    name = {"Teapot": "HTTPException"}.get(kind, kind)
    assert ask(application(), f"/sub/{kind}") == (status, "/sub/{kind}", one(name, handled))


def test_middleware(ask: Ask) -> None:
    assert ask(application(), "/LookupError?middle") == (500, "__unrouted__", one("ValueError", "false"))


@pytest.mark.parametrize("key", [500, Exception])
@pytest.mark.parametrize(("status", "handled"), [(500, "false"), (400, "true")])
def test_handler_of_last_resort(ask: Ask, key: Any, status: int, handled: str) -> None:
    """Starlette raises the exception again after the answer; whether it was one, its status says."""

    async def answer(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("sorry", status)

    app = Starlette(routes=[Route("/{kind}", fail)], exception_handlers={key: answer})
    assert ask(app, "/ValueError") == (status, "/{kind}", one("ValueError", handled))


def test_debug(ask: Ask) -> None:
    """Starlette's page with a traceback is no answer."""
    app = Starlette(debug=True, routes=[Route("/{kind}", fail)])
    assert ask(app, "/ValueError") == (500, "/{kind}", one("ValueError", "false"))


def test_redirecting_handler(ask: Ask) -> None:
    """The user is sent to log in: handled."""

    async def log_in(request: Any, error: Exception) -> RedirectResponse:
        return RedirectResponse("/login", 303)

    app = application()
    app.add_exception_handler(ValueError, log_in)
    assert ask(app, "/ValueError") == (303, "/{kind}", one("ValueError", "true"))


def test_fastapi(ask: Ask) -> None:
    """Its own exceptions are answered by its own handlers; ``source`` tells whose they are."""
    app = FastAPI()

    @app.get("/numbers/{number}")
    def number(number: int) -> float:
        return 1 / number

    assert ask(app, "/numbers/1").exceptions == ()
    assert ask(app, "/numbers/x") == (422, "/numbers/{number}", (("RequestValidationError", "true", "fastapi"),))
    assert ask(app, "/numbers/0") == (500, "/numbers/{number}", (("ZeroDivisionError", "false", "fastapi"),))
