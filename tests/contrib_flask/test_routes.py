"""The endpoint of a request: the template of its route, whatever became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Blueprint, Flask, redirect
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from gunicorn_prometheus_exporter.note import note_of
from gunicorn_prometheus_exporter_flask import PrometheusExporter
from tests.contrib_flask.conftest import Ask

App = Callable[..., Iterable[bytes]]


class Things(MethodView):
    def get(self, name: str) -> str:
        return name

    def put(self, name: str) -> str:
        return name


class Picky(BaseConverter):
    """Takes what it likes, and fails on the rest."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        if value.startswith("!"):
            raise RuntimeError("not this one")
        return value


@pytest.fixture
def site(tmp_path: Any) -> Flask:
    """Routes of every kind."""
    (tmp_path / "style.css").write_text("body {}")
    app = Flask("site", static_folder=str(tmp_path), static_url_path="/static")
    app.url_map.converters["picky"] = Picky
    app.add_url_rule("/", view_func=lambda: "root", endpoint="root")
    app.add_url_rule("/who/<x>", view_func=lambda x: x, endpoint="who")
    app.add_url_rule("/folder/", view_func=lambda: "folder", endpoint="folder", methods=["GET", "POST"])
    app.add_url_rule("/folder/<int:page>/", view_func=lambda page: "page", endpoint="page")
    app.add_url_rule("/list", view_func=str, endpoint="list", defaults={"page": 1})
    app.add_url_rule("/list/<int:page>", view_func=str, endpoint="list")
    app.add_url_rule("/old", view_func=lambda: "never", endpoint="old", redirect_to="/who/old")
    app.add_url_rule("/elsewhere", view_func=lambda: "never", endpoint="elsewhere", redirect_to="https://example.com/x")
    app.add_url_rule("/things/<name>", view_func=Things.as_view("things"))
    app.add_url_rule("/both/<int:x>", view_func=lambda x: "get", endpoint="both_get", methods=["GET"])
    app.add_url_rule("/both/<y>", view_func=lambda y: "delete", endpoint="both_delete", methods=["DELETE"])
    app.add_url_rule("/picky/<picky:x>/", view_func=lambda x: x, endpoint="picky")
    app.add_url_rule("/moved", view_func=lambda: redirect("/"), endpoint="moved")
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__, url_prefix="/api")
    inner.add_url_rule("/items/<uuid:i>", view_func=lambda i: str(i), endpoint="item")
    outer.register_blueprint(inner, url_prefix="/v1")
    app.register_blueprint(outer)
    PrometheusExporter(app)
    return app


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "status"),
    [
        ("GET", "/", "/", "200"),
        ("GET", "/who/me", "/who/<x>", "200"),
        ("HEAD", "/who/me", "/who/<x>", "200"),
        ("OPTIONS", "/who/me", "/who/<x>", "200"),
        ("GET", "/static/style.css", "/static/<path:filename>", "200"),
        ("GET", "/api/v1/items/12345678-1234-5678-1234-567812345678", "/api/v1/items/<uuid:i>", "200"),
        ("GET", "/things/a", "/things/<name>", "200"),
        ("PUT", "/things/a", "/things/<name>", "200"),
        ("GET", "/moved", "/moved", "302"),
        # What the router turned away.
        ("GET", "/nowhere", "__unmatched__", "404"),
        ("GET", "/api/v1/items/1", "__unmatched__", "404"),
        ("POST", "/who/me", "/who/<x>", "405"),
        ("BREW", "/who/me", "/who/<x>", "405"),
        ("DELETE", "/things/a", "/things/<name>", "405"),
        ("PATCH", "/both/1", "/both/<y>", "405"),
        ("GET", "/folder", "/folder/", "308"),
        ("POST", "/folder", "/folder/", "308"),
        ("DELETE", "/folder", "__unmatched__", "404"),
        ("GET", "/folder/7", "/folder/<int:page>/", "308"),
        ("GET", "/who//me", "/who/<x>", "308"),
        ("GET", "/list/1", "/list", "308"),
        ("GET", "/old", "/who/<x>", "308"),
        ("GET", "/elsewhere", "__unmatched__", "308"),
    ],
)
def test_endpoint(site: Flask, ask: Ask, method: str, path: str, endpoint: str, status: str) -> None:
    """A matched route, a 405 and a redirect of the router have their template; what nothing matches is one label.

    None of these is an exception, whatever Flask raises inside.
    """
    assert ask(site, path, method) == (endpoint, status, [])


def test_a_converter_that_fails(site: Flask, ask: Ask) -> None:
    """A redirect cannot be matched again if a converter fails: that stays our own affair."""
    assert ask(site, "/picky/a") == ("/picky/<picky:x>/", "308", [])
    assert ask(site, "/picky/!a") == ("__unmatched__", "308", [])


def test_label_endpoint(app: Flask, ask: Ask) -> None:
    """Routes that differ only in the host have one rule; the endpoint tells them apart."""
    app.url_map.host_matching = True
    app.add_url_rule("/", view_func=lambda: "a", endpoint="a", host="a.example")
    app.add_url_rule("/", view_func=lambda: "b", endpoint="b", host="b.example")
    PrometheusExporter(app, label="endpoint")
    assert ask(app, "/", base_url="http://b.example").endpoint == "/b"
    assert ask(app, "/", "PUT", base_url="http://a.example").endpoint == "/a"
    assert ask(app, "/", base_url="http://c.example").endpoint == "__unmatched__"


def test_before_request_that_answers(app: Flask, ask: Ask) -> None:
    """The route is known although its view never ran."""
    app.add_url_rule("/who/<x>", view_func=lambda x: x, endpoint="who")
    app.before_request(lambda: ("closed", 503))
    PrometheusExporter(app)
    assert ask(app, "/who/me") == ("/who/<x>", "503", [])


def test_async_view(app: Flask, ask: Ask) -> None:
    """An async view is a view."""

    async def slow(x: str) -> str:
        if x == "bad":
            raise ValueError(x)
        return x

    app.add_url_rule("/slow/<x>", view_func=slow)
    PrometheusExporter(app)
    assert ask(app, "/slow/1") == ("/slow/<x>", "200", [])
    assert ask(app, "/slow/bad") == ("/slow/<x>", "500", [("ValueError", "false", "flask")])


# --- mounts


def small(**options: Any) -> Flask:
    app = Flask("small")
    app.add_url_rule("/", view_func=lambda: "root", endpoint="root")
    app.add_url_rule("/who/<x>", view_func=lambda x: x, endpoint="who")
    app.add_url_rule("/folder/", view_func=lambda: "folder", endpoint="folder")
    PrometheusExporter(app, **options)
    return app


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/who/me", "/who/<x>"),
        ("/sub/who/me", "/sub/who/<x>"),
        ("/sub", "/sub/"),
        ("/sub/", "/sub/"),
        ("/sub/folder", "/sub/folder/"),
        ("/sub/deep/who/me", "/sub/deep/who/<x>"),
        ("/sub/nowhere", "__unmatched__"),
        ("/nowhere", "__unmatched__"),
    ],
)
def test_dispatcher(ask: Ask, path: str, endpoint: str) -> None:
    """Where a dispatcher mounted an application is a part of its endpoints, also when dispatchers are nested."""
    inner = DispatcherMiddleware(small(), {"/deep": small()})
    assert ask(DispatcherMiddleware(small(), {"/sub": inner}), path).endpoint == endpoint


def test_a_mount_below_a_view(ask: Ask) -> None:
    """A view that hands its request on: its template up to there, with no client's value, then the inner one."""
    outer, inner = Flask("outer"), small()

    @outer.route("/tenants/<name>/<path:rest>")
    def tenant(name: str, rest: str) -> App:
        def mounted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ = {**environ, "SCRIPT_NAME": f"/tenants/{name}", "PATH_INFO": f"/{rest}"}
            return inner(environ, start_response)

        return mounted

    PrometheusExporter(outer)
    assert ask(outer, "/tenants/acme/who/me").endpoint == "/tenants/<name>/who/<x>"
    assert ask(outer, "/tenants/acme/nowhere").endpoint == "__unmatched__"


def test_explicit_prefix(ask: Ask) -> None:
    """For what only looks like a mount: a path of which the client chooses the beginning."""

    def tenants(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _, tenant, rest = environ["PATH_INFO"].split("/", 2)
        environ.update(SCRIPT_NAME=f"/{tenant}", PATH_INFO=f"/{rest}")
        return app(environ, start_response)

    app = small(prefix="/<tenant>/")
    assert ask(tenants, "/acme/who/me").endpoint == "/<tenant>/who/<x>"
    app = small(prefix="")
    assert ask(tenants, "/acme/who/me").endpoint == "/who/<x>"


@pytest.mark.parametrize("strips", [True, False], ids=["strips the path", "keeps the path"])
@pytest.mark.parametrize("path", ["/who/me", "/sub/who/me"])
def test_script_name_from_a_header(ask: Ask, strips: bool, path: str) -> None:
    """What a client writes into a header gets into no label, be it at a mount or not."""

    def reverse_proxied(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if name := environ.get("HTTP_X_SCRIPT_NAME", ""):
            environ["SCRIPT_NAME"] = name
            if environ["PATH_INFO"].startswith(name):
                environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(name)
        return dispatcher(environ, start_response)

    dispatcher = DispatcherMiddleware(small(), {"/sub": small()})
    asked = f"/evil{path}" if strips else path
    assert "evil" not in ask(reverse_proxied, asked, headers={"X-Script-Name": "/evil"}).endpoint


def test_proxy_fix(ask: Ask) -> None:
    """A prefix that a proxy announced is not there; a mount below it is."""
    app = ProxyFix(DispatcherMiddleware(small(), {"/sub": small()}), x_prefix=1)  # type: ignore[arg-type]
    assert ask(app, "/who/me", headers={"X-Forwarded-Prefix": "/evil"}).endpoint == "/who/<x>"
    assert ask(app, "/sub/who/me", headers={"X-Forwarded-Prefix": "/evil"}).endpoint == "/sub/who/<x>"
    assert ask(app, "/sub/who/me", headers={"Accept-Language": "sub"}).endpoint == "/sub/who/<x>"


def test_a_middleware_that_copies_environ(app: Flask, ask: Ask) -> None:
    """The note is one object, however often ``environ`` is copied."""
    PrometheusExporter(app)
    app.add_url_rule("/who/<x>", view_func=lambda x: x, endpoint="who")
    assert ask(lambda environ, start: app(dict(environ), start), "/who/me").endpoint == "/who/<x>"


# --- attaching


def test_several_applications(ask: Ask) -> None:
    """One object serves several applications, each with its own routes."""
    exporter = PrometheusExporter()
    one, two = Flask("one"), Flask("two")
    one.add_url_rule("/one/<x>", view_func=lambda x: x, endpoint="x")
    two.add_url_rule("/two/<x>", view_func=lambda x: 1 / 0, endpoint="x")
    exporter.init_app(one)
    exporter.init_app(two)
    assert ask(one, "/one/1") == ("/one/<x>", "200", [])
    assert ask(two, "/two/1") == ("/two/<x>", "500", [("ZeroDivisionError", "false", "flask")])


def test_attached_once(app: Flask) -> None:
    """Twice is once."""
    exporter = PrometheusExporter(app)
    dispatch = app.dispatch_request
    exporter.init_app(app)
    PrometheusExporter(app)
    assert app.dispatch_request is dispatch


def test_without_a_note(app: Flask) -> None:
    """With a test client alone, or Flask's own server, nothing happens, and nothing fails."""
    PrometheusExporter(app)
    app.add_url_rule("/", view_func=lambda: "root", endpoint="root")
    app.add_url_rule("/bad", view_func=lambda: 1 / 0, endpoint="bad")
    app.add_url_rule("/note", view_func=lambda: str(note_of({}).template), endpoint="note")
    client = app.test_client()
    statuses = [client.get(path).status_code for path in ("/", "/bad", "/nowhere")]
    assert statuses == [200, 500, 404]
    assert client.get("/note").text == "None"


@pytest.mark.parametrize(
    ("options", "message"), [({"label": "path"}, "label must be"), ({"prefix": "x"}, "prefix must")]
)
def test_settings_are_checked(options: dict[str, Any], message: str) -> None:
    """A wrong setting fails where it is written."""
    with pytest.raises(ValueError, match=message):
        PrometheusExporter(**options)
