"""Every exception once: by the class first raised, and whether the client got somebody's answer to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, got_request_exception, redirect, request, stream_with_context
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, NotFound

from gunicorn_prometheus_exporter_flask import PrometheusExporter
from tests.contrib_flask.conftest import Ask

ENDPOINT = "/act/<x>"


class Custom(LookupError):
    pass


class OutsideTheRequest(BaseException):
    """As SystemExit, which ends a worker."""


def raising(error: BaseException | type[BaseException]) -> Callable[..., Any]:
    def view(**_: Any) -> Any:
        raise error

    return view


def answer(text: str, status: int) -> Callable[[Any], tuple[str, int]]:
    return lambda _: (text, status)


def site(app: Flask, view: Callable[..., Any]) -> Flask:
    app.add_url_rule("/act/<x>", view_func=view, endpoint="act")
    PrometheusExporter(app)
    return app


def test_errorhandler_of_class(app: Flask, ask: Ask) -> None:
    app.register_error_handler(Custom, answer("sorry", 404))
    assert ask(site(app, raising(Custom("x"))), "/act/1") == (ENDPOINT, "404", [("Custom", "true", "flask")])


def test_errorhandler_of_base_class_names_the_class_raised(app: Flask, ask: Ask) -> None:
    app.register_error_handler(LookupError, answer("sorry", 400))
    assert ask(site(app, raising(Custom("x"))), "/act/1").exceptions == [("Custom", "true", "flask")]


@pytest.mark.parametrize("status", [200, 404, 500])
def test_catch_all(app: Flask, ask: Ask, status: int) -> None:
    """The user's own answer is one whatever its status: a 500 of one's own was wanted."""
    app.register_error_handler(Exception, answer("sorry", status))
    assert ask(site(app, raising(ValueError)), "/act/1") == (ENDPOINT, str(status), [("ValueError", "true", "flask")])


def test_catch_all_gets_what_the_router_raises(app: Flask, ask: Ask) -> None:
    """An answer to a path that does not exist is no exception."""
    app.register_error_handler(Exception, answer("sorry", 404))
    assert ask(site(app, raising(ValueError)), "/nowhere") == ("__unmatched__", "404", [])


def test_errorhandler_of_code(app: Flask, ask: Ask) -> None:
    app.register_error_handler(403, answer("go away", 403))
    assert ask(site(app, lambda x: abort(403)), "/act/1") == (ENDPOINT, "403", [("Forbidden", "true", "flask")])


@pytest.mark.parametrize(
    ("code", "error_type"),
    [(400, "BadRequest"), (404, "NotFound"), (405, "MethodNotAllowed"), (503, "ServiceUnavailable")],
)
def test_abort(app: Flask, ask: Ask, code: int, error_type: str) -> None:
    """Raised by a view it is an exception, answered by Flask; also a 404, which from the router is none."""
    seen = ask(site(app, lambda x: abort(code)), "/act/1")
    assert seen == (ENDPOINT, str(code), [(error_type, "true", "flask")])


def test_abort_500(app: Flask, ask: Ask) -> None:
    """Flask answers what the view asked for."""
    seen = ask(site(app, lambda x: abort(500)), "/act/1")
    assert seen == (ENDPOINT, "500", [("InternalServerError", "true", "flask")])


def test_abort_with_a_response(app: Flask, ask: Ask) -> None:
    seen = ask(site(app, lambda x: abort(Response("no", 409))), "/act/1")
    assert seen == (ENDPOINT, "409", [("HTTPException", "true", "flask")])


def test_abort_with_a_redirect_is_no_error(app: Flask, ask: Ask) -> None:
    assert ask(site(app, lambda x: abort(redirect("/login"))), "/act/1") == (ENDPOINT, "302", [])


def test_missing_form_key(app: Flask, ask: Ask) -> None:
    seen = ask(site(app, lambda x: request.form["x"]), "/act/1")
    assert seen == (ENDPOINT, "400", [("BadRequestKeyError", "true", "flask")])


def test_body_over_the_limit(app: Flask, ask: Ask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10
    app.add_url_rule("/form", view_func=lambda: request.get_data(), endpoint="form", methods=["POST"])
    PrometheusExporter(app)
    seen = ask(app, "/form", "POST", data=b"x" * 11)
    assert seen == ("/form", "413", [("RequestEntityTooLarge", "true", "flask")])


def test_unhandled(app: Flask, ask: Ask) -> None:
    assert ask(site(app, raising(TypeError)), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


@pytest.mark.parametrize("key", [500, InternalServerError])
def test_unhandled_with_a_500_page(app: Flask, ask: Ask, key: Any) -> None:
    """A page for the 500 is no answer to the exception."""
    app.register_error_handler(key, answer("our 500 page", 500))
    assert ask(site(app, raising(TypeError)), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


def test_a_500_page_that_answers_otherwise(app: Flask, ask: Ask) -> None:
    """If the client gets no 500, it got the user's answer."""
    app.register_error_handler(500, answer("try again", 409))
    assert ask(site(app, raising(TypeError)), "/act/1") == (ENDPOINT, "409", [("TypeError", "true", "flask")])


def test_a_500_page_that_fails(app: Flask, ask: Ask) -> None:
    app.register_error_handler(500, raising(KeyError))
    app.register_error_handler(500, lambda _: {}["x"])
    assert ask(site(app, raising(TypeError)), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


@pytest.mark.parametrize("setting", ["PROPAGATE_EXCEPTIONS", "TESTING", "DEBUG"])
def test_propagated(app: Flask, ask: Ask, setting: str) -> None:
    """An exception that leaves the application is the one that Flask saw."""
    app.config[setting] = True
    assert ask(site(app, raising(TypeError)), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


def test_not_an_exception(app: Flask, ask: Ask) -> None:
    """What is no Exception is not Flask's: a worker that is told to stop."""

    def view(x: str) -> str:
        raise OutsideTheRequest

    with pytest.raises(OutsideTheRequest):
        ask(site(app, view), "/act/1")


# --- one exception that becomes another


@pytest.mark.parametrize("after", [KeyError("again"), BadRequest("again")])
def test_a_handler_that_fails(app: Flask, ask: Ask, after: Exception) -> None:
    """It was not handled after all, and what the handler raised is not a second exception."""

    def fail(error: Custom) -> Any:
        raise after

    app.register_error_handler(Custom, fail)
    assert ask(site(app, raising(Custom("x"))), "/act/1") == (ENDPOINT, "500", [("Custom", "false", "flask")])


def test_a_handler_that_raises_the_same_again(app: Flask, ask: Ask) -> None:
    def again(error: Custom) -> Any:
        raise error

    app.register_error_handler(Custom, again)
    assert ask(site(app, raising(Custom("x"))), "/act/1") == (ENDPOINT, "500", [("Custom", "false", "flask")])


def test_a_handler_that_returns_an_http_exception(app: Flask, ask: Ask) -> None:
    """It is a response then."""
    app.register_error_handler(Custom, lambda error: NotFound())
    assert ask(site(app, raising(Custom("x"))), "/act/1") == (ENDPOINT, "404", [("Custom", "true", "flask")])


def test_converted_inside_the_view(app: Flask, ask: Ask) -> None:
    """What the view caught itself never left it: the exception is the one that did."""

    def view(x: str) -> str:
        try:
            return {}[x]  # type: ignore[no-any-return]
        except KeyError as error:
            raise BadRequest("no such key") from error

    assert ask(site(app, view), "/act/1") == (ENDPOINT, "400", [("BadRequest", "true", "flask")])


def test_one_object_raised_in_every_request(app: Flask, ask: Ask) -> None:
    error = Custom("always the same")
    app.register_error_handler(Custom, answer("sorry", 404))
    site(app, raising(error))
    for _ in range(3):
        assert ask(app, "/act/1").exceptions == [("Custom", "true", "flask")]


# --- hooks


def test_before_request(app: Flask, ask: Ask) -> None:
    app.before_request(raising(TypeError))
    assert ask(site(app, lambda x: x), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])
    assert ask(app, "/nowhere") == ("__unmatched__", "500", [("TypeError", "false", "flask")])


def test_before_request_aborts(app: Flask, ask: Ask) -> None:
    app.before_request(lambda: abort(401))
    assert ask(site(app, lambda x: x), "/act/1") == (ENDPOINT, "401", [("Unauthorized", "true", "flask")])


def test_after_request(app: Flask, ask: Ask) -> None:
    """It runs again for the 500, and may fail again: one exception."""
    app.after_request(raising(TypeError))
    app.after_request_funcs[None] = [lambda response: fail_with(TypeError())]
    assert ask(site(app, lambda x: x), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


def test_after_request_aborts(app: Flask, ask: Ask) -> None:
    """Too late for an answer: Flask makes it a 500."""
    app.after_request(lambda response: abort(403))
    assert ask(site(app, lambda x: x), "/act/1") == (ENDPOINT, "500", [("Forbidden", "false", "flask")])


def test_after_request_following_a_handled_one(app: Flask, ask: Ask) -> None:
    """Two exceptions that have nothing to do with each other are two."""
    app.register_error_handler(Custom, answer("sorry", 404))
    app.after_request(lambda response: fail_with(TypeError()))
    seen = ask(site(app, raising(Custom("x"))), "/act/1")
    assert seen == (ENDPOINT, "500", [("Custom", "true", "flask"), ("TypeError", "false", "flask")])


def fail_with(error: Exception) -> Any:
    raise error


def test_teardown_request(app: Flask, ask: Ask) -> None:
    """Its failure leaves the application, where only the server sees it."""
    app.teardown_request(lambda error: fail_with(TypeError()))
    assert ask(site(app, lambda x: x), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "wsgi")])


def test_a_session_that_cannot_be_opened(app: Flask, ask: Ask) -> None:
    """Before there is a route."""

    class Broken(type(app.session_interface)):  # type: ignore[misc]
        def open_session(self, app: Flask, request: Any) -> Any:
            raise ConnectionError("no session store")

    app.session_interface = Broken()
    assert ask(site(app, lambda x: x), "/act/1") == ("__unrouted__", "500", [("ConnectionError", "false", "flask")])


# --- streams


def test_a_generator_that_fails(app: Flask, ask: Ask) -> None:
    """Flask is done when the body is sent: only the server sees it."""

    def body() -> Iterator[bytes]:
        yield b"begun"
        raise ValueError("in the middle")

    seen = ask(site(app, lambda x: Response(stream_with_context(body()))), "/act/1")
    assert seen == (ENDPOINT, "200", [("ValueError", "false", "wsgi")])


def test_a_response_of_a_wrong_type(app: Flask, ask: Ask) -> None:
    assert ask(site(app, lambda x: None), "/act/1") == (ENDPOINT, "500", [("TypeError", "false", "flask")])


# --- settings and neighbours


@pytest.mark.parametrize("path", ["/act/1", "/nowhere"])
def test_trapped_http_exceptions(app: Flask, ask: Ask, path: str) -> None:
    """With TRAP_HTTP_EXCEPTIONS they are bugs, and become a 500."""
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    seen = ask(site(app, lambda x: abort(404)), path)
    assert (seen.status, seen.exceptions) == ("500", [("NotFound", "false", "flask")])


def test_an_application_inside_another(app: Flask, ask: Ask) -> None:
    """What the inner one gave up on, the outer one answered: once, as handled."""
    inner = Flask("inner")
    inner.config["PROPAGATE_EXCEPTIONS"] = True
    site(inner, raising(Custom("x")))

    @app.route("/mount/<path:rest>")
    def mount(rest: str) -> Any:
        environ = {**request.environ, "SCRIPT_NAME": "/mount", "PATH_INFO": f"/{rest}"}
        return Response.from_app(inner, environ)

    app.register_error_handler(Custom, answer("sorry", 404))
    PrometheusExporter(app)
    assert ask(app, "/mount/act/1") == ("/mount/act/<x>", "404", [("Custom", "true", "flask")])


def test_a_signal_outside_a_request(app: Flask) -> None:
    """Somebody sends Flask's signal from a task: nothing of ours fails."""
    PrometheusExporter(app)
    got_request_exception.send(app, exception=ValueError("in a task"))


class ForeignErrorHandling:
    """What Flask-RESTful and flask-restx do: they take the error handling over, tell everybody that Flask gave up, and
    answer themselves, with the status that an exception names."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        app.handle_user_exception = self._answer  # type: ignore[method-assign, assignment]

    def _answer(self, error: Exception) -> Response:
        got_request_exception.send(self._app, exception=error)
        known = error.code if isinstance(error, HTTPException) else getattr(error, "status", 500)
        return self._app.response_class("{}", status=known)


class Taken(Exception):
    status = 409


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
@pytest.mark.parametrize(
    ("error", "status", "handled"),
    [(Taken(), 409, True), (ValueError(), 500, False), (NotFound(), 404, True), (BadRequest(), 400, True)],
    ids=lambda value: type(value).__name__,
)
def test_foreign_error_handling(
    app: Flask, ask: Ask, first: bool, error: Exception, status: int, handled: bool
) -> None:
    """The answer decides, in whatever order the extensions came."""
    if first:
        ForeignErrorHandling(app)
    site(app, raising(error))
    if not first:
        ForeignErrorHandling(app)
    expected = [(type(error).__name__, "true" if handled else "false", "flask")]
    assert ask(app, "/act/1") == (ENDPOINT, str(status), expected)
    assert ask(app, "/act/1", "PUT") == (ENDPOINT, "405", [])
    assert ask(app, "/nowhere") == ("__unmatched__", "404", [])
