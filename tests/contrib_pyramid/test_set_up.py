"""Including the bridge: settings, the place of its tweens, and where it does nothing."""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ITweens
from pyramid.request import Request as PyramidRequest
from pyramid.response import Response
from pyramid.threadlocal import RequestContext
from pyramid.tweens import EXCVIEW
from webob import Request

import gunicorn_prometheus_exporter_pyramid
from gunicorn_prometheus_exporter.note import NOTE_KEY, RequestNote
from gunicorn_prometheus_exporter_pyramid.placement import placement_fault
from gunicorn_prometheus_exporter_pyramid.tweens import ERROR_TWEEN
from tests.contrib_pyramid.conftest import Ask
from tests.contrib_pyramid.site import Folder, make_app
from tests.e2e.harness import IMPORT_ROOTS

BRIDGE = "gunicorn_prometheus_exporter_pyramid"
LABEL = "gunicorn_prometheus_exporter.label"
PREFIX = "gunicorn_prometheus_exporter.prefix"


def hello(request: Any) -> Response:
    return Response("hello")


def fail(request: Any) -> Response:
    raise LookupError


def small_app(*, autocommit: bool = False, **settings: Any) -> Any:
    config = Configurator(settings=settings, autocommit=autocommit, root_factory=lambda request: {"folder": Folder()})
    config.include(BRIDGE)
    config.add_route("hello", "hello/{name}")
    config.add_view(hello, route_name="hello")
    config.add_route("fail", "fail")
    config.add_view(fail, route_name="fail")
    config.add_exception_view(lambda request: Response(status=400), context=LookupError)
    config.add_route("tree", "hyb/*traverse")
    config.add_view(hello, route_name="tree", context=Folder)
    config.add_view(hello, context=Folder, name="edit")
    return config.make_wsgi_app()


def test_imports_the_note_alone() -> None:
    """Of the core the bridge knows the note and nothing else."""
    package = Path(gunicorn_prometheus_exporter_pyramid.__file__).parent
    imported = {
        node.module
        for path in package.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gunicorn_prometheus_exporter")
    }
    assert imported == {"gunicorn_prometheus_exporter.note"}


def test_import_does_nothing() -> None:
    """Importing it needs neither Gunicorn nor prometheus_client, and sets up no logging."""
    code = f"""
import logging, sys, {BRIDGE}
print({{"gunicorn", "prometheus_client"}} & set(sys.modules), logging.root.handlers)
"""
    environ = {"PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
    said = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["set()", "[]"]


@pytest.mark.parametrize(
    ("settings", "path", "endpoint"),
    [
        ({}, "/hello/x", "/hello/{name}"),
        ({LABEL: "pattern"}, "/hello/x", "/hello/{name}"),
        ({LABEL: ""}, "/hello/x", "/hello/{name}"),
        ({LABEL: "name"}, "/hello/x", "/hello"),
        ({LABEL: "name"}, "/hyb/folder", "/tree/Folder"),
        ({LABEL: "name"}, "/folder/edit", "/Folder#edit"),
        ({LABEL: "name"}, "/nowhere", "__unmatched__"),
        ({PREFIX: "/shop/"}, "/hello/x", "/shop/hello/{name}"),
        ({PREFIX: "/shop"}, "/folder/edit", "/shop/Folder#edit"),
        ({PREFIX: "/shop"}, "/nowhere", "__unmatched__"),
        ({PREFIX: "", LABEL: "name"}, "/hello/x", "/hello"),
    ],
)
def test_settings(ask: Ask, settings: dict[str, str], path: str, endpoint: str) -> None:
    """``label`` says what names a route, ``prefix`` what is in front of it; a 404 has neither."""
    assert ask(small_app(**settings), path).endpoint == endpoint


def test_prefix_of_a_dispatcher(ask: Ask) -> None:
    """The place where a dispatcher mounted the application is found, and an empty ``prefix`` says there is none."""

    def mounted(app: Any) -> Callable[..., Any]:
        def dispatch(environ: dict[str, Any], start_response: Any) -> Any:
            inner = dict(environ, SCRIPT_NAME="/shop", PATH_INFO=environ["PATH_INFO"].removeprefix("/shop"))
            return app(inner, start_response)

        return dispatch

    assert ask(mounted(small_app()), "/shop/hello/x").endpoint == "/shop/hello/{name}"
    assert ask(mounted(small_app()), "/shop/folder/edit").endpoint == "/shop/Folder#edit"
    assert ask(mounted(small_app(**{PREFIX: ""})), "/shop/hello/x").endpoint == "/hello/{name}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({LABEL: "route"}, "label must be 'pattern' or 'name', not 'route'"),
        ({LABEL: 7}, "label must be"),
        ({PREFIX: "shop"}, "prefix must be empty or start with a slash, not 'shop'"),
        ({PREFIX: 7}, "prefix must be"),
        ({"gunicorn_prometheus_exporter.lable": "name"}, "unknown setting: gunicorn_prometheus_exporter.lable"),
    ],
)
def test_wrong_settings_fail_at_configuration_time(settings: dict[str, Any], said: str) -> None:
    """A wrong name or value is an error that names it, before the first request."""
    with pytest.raises(Exception, match=said) as caught:
        small_app(**settings)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigurationError)


def test_settings_of_later(ask: Ask) -> None:
    """What an application sets after the include counts, as its configuration is not committed yet."""
    config = Configurator()
    config.include(BRIDGE)
    config.add_settings({PREFIX: "/late"})
    config.add_route("hello", "hello")
    config.add_view(hello, route_name="hello")
    assert ask(config.make_wsgi_app(), "/hello").endpoint == "/late/hello"


def test_pyramid_includes(ask: Ask) -> None:
    """In the ini file it is ``pyramid.includes``."""
    config = Configurator(settings={"pyramid.includes": BRIDGE})
    config.add_route("hello", "hello")
    config.add_view(hello, route_name="hello")
    assert ask(config.make_wsgi_app(), "/hello").endpoint == "/hello"


def test_include_twice(ask: Ask) -> None:
    """Included by the application and by a part of it, it is there once."""
    config = Configurator()
    config.include(BRIDGE)
    config.include(lambda config: config.include(BRIDGE))
    config.add_route("fail", "fail")
    config.add_view(fail, route_name="fail")
    assert ask(config.make_wsgi_app(), "/fail").exceptions == (("LookupError", "false", "pyramid"),)


def test_autocommit(ask: Ask) -> None:
    """An autocommitting Configurator is right as well."""
    app = small_app(autocommit=True)
    assert ask(app, "/folder/edit").endpoint == "/Folder#edit"
    assert ask(app, "/fail").exceptions == (("LookupError", "true", "pyramid"),)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([EXCVIEW, ERROR_TWEEN], ""),
        (["debug", EXCVIEW, "other", ERROR_TWEEN, "tm"], ""),
        ([ERROR_TWEEN], ""),
        ([EXCVIEW], f"lacks {ERROR_TWEEN}"),
        ([ERROR_TWEEN, EXCVIEW], f"has {ERROR_TWEEN} in the wrong place"),
    ],
)
def test_placement(names: list[str], fault: str) -> None:
    assert placement_fault(names) == fault


def test_explicit_tweens_without_ours(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """One warning names what to list. Endpoints, and what an exception view answered or the server got, are right."""
    with caplog.at_level(logging.WARNING):
        app = small_app(**{"pyramid.tweens": EXCVIEW})
    (record,) = caplog.records
    assert (record.name, record.levelname) == (BRIDGE, "WARNING")
    assert f"pyramid.tweens lacks {ERROR_TWEEN}" in record.getMessage()
    assert EXCVIEW in record.getMessage()
    assert ask(app, "/hello/x") == (200, "/hello/{name}", ())
    assert ask(app, "/fail") == (400, "/fail", (("LookupError", "true", "pyramid"),))


def test_explicit_tweens_with_ours(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """Listed as the manual says, all is as without a list, and nothing is warned of."""
    with caplog.at_level(logging.WARNING):
        app = small_app(**{"pyramid.tweens": [EXCVIEW, ERROR_TWEEN]})
        small_app()
    assert caplog.records == []
    assert ask(app, "/fail") == (400, "/fail", (("LookupError", "true", "pyramid"),))


@pytest.mark.parametrize("others", [["pyramid_retry"], ["tests.contrib_pyramid.test_set_up.other_tween"]])
def test_order_of_implicit_tweens(others: list[str]) -> None:
    """It is under EXCVIEW, whatever else is there and whoever was included first."""
    for includes in ([BRIDGE, *others], [*others, BRIDGE]):
        config = Configurator()
        for include in includes:
            config.include(include)
        config.commit()
        names = [name for name, _ in config.registry.queryUtility(ITweens).implicit()]
        assert names.index(EXCVIEW) < names.index(ERROR_TWEEN)


def other_tween(config: Any) -> None:
    config.add_tween("tests.contrib_pyramid.site.inner_tween_factory", under=EXCVIEW)


@pytest.mark.parametrize("append_slash", [False, True])
def test_notfound_view(ask: Ask, append_slash: bool) -> None:
    """The user's own answer to what does not exist names no endpoint, be it a page or a redirect to add a slash."""
    config = Configurator()
    config.include(BRIDGE)
    config.add_notfound_view(lambda request: Response(status=404), append_slash=append_slash)
    config.add_route("hello", "/hello/")
    config.add_view(hello, route_name="hello")
    app = config.make_wsgi_app()
    assert ask(app, "/nowhere") == (404, "__unmatched__", ())
    assert ask(app, "/hello") == (307 if append_slash else 404, "__unmatched__", ())


def test_little_is_between_pyramid_and_a_view() -> None:
    """Of the bridge, the tween and the function that says which view was found; and no subscriber to any event."""
    config = Configurator()
    config.include(BRIDGE)
    config.add_route("fail", "fail")
    config.add_view(fail, route_name="fail")
    app = config.make_wsgi_app()
    with pytest.raises(LookupError) as raised:
        Request.blank("/fail").get_response(app)
    ours = [Path(entry.path).name for entry in raised.traceback if BRIDGE in str(entry.path)]
    assert ours == ["tweens.py", "views.py"]
    assert not app.registry.has_listeners


def test_request_left_behind(ask: Ask) -> None:
    """What a request that was never finished left on Pyramid's stack does not make the next one its subrequest."""
    app = small_app()
    stale = PyramidRequest.blank("/stale")
    stale.registry = app.registry
    stale.environ[NOTE_KEY] = RequestNote("/stale")
    context = RequestContext(stale)
    context.begin()
    try:
        assert ask(app, "/fail") == (400, "/fail", (("LookupError", "true", "pyramid"),))
    finally:
        context.end()


@pytest.mark.parametrize("path", ["/items/7", "/fail/Sorry", "/folder/edit", "/subrequest?path=/fail/Sorry&tweens"])
def test_test_client(path: str) -> None:
    """Without the exporter's worker there is no note, nothing is left in ``environ``, and the answer is the same."""
    request = Request.blank(path)
    before = set(request.environ)
    response = request.get_response(make_app())
    assert response.status_code in (200, 400)
    assert {key for key in set(request.environ) - before if "prometheus" in key} == set()
    assert NOTE_KEY not in request.environ


def test_other_server() -> None:
    """Under wsgiref it serves as if it were not there."""

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with make_server("127.0.0.1", 0, make_app(), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/items/7", timeout=10) as response:
            assert response.read() == b"ok"
        thread.join()
