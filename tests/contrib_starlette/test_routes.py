"""The endpoint of a request: the template of its route, mounts and included routers joined, whatever became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from tests.contrib_starlette.conftest import Ask


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


class Thing(HTTPEndpoint):
    async def get(self, request: Any) -> PlainTextResponse:
        return PlainTextResponse("thing")


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("plain")(scope, receive, send)


async def turn_away(request: Any, call_next: Any) -> Any:
    if "away" in request.query_params:
        return PlainTextResponse("no", 401)
    return await call_next(request)


@pytest.fixture
def site(tmp_path: Path) -> Starlette:
    """Routes of every kind."""
    (tmp_path / "style.css").write_text("body {}")
    inner = Starlette(routes=[Route("/", page), Route("/deep/{y:int}", page), Route("/slashed/", page)])
    return Starlette(
        routes=[
            Route("/", page),
            Route("/who/{x}", page, methods=["GET", "POST"]),
            Route("/number/{n:int}", page),
            Route("/files/{rest:path}", page),
            Route("/folder/", page),
            Route("/thing/{name}", Thing),
            Mount("/static", StaticFiles(directory=tmp_path)),
            Mount("/plain", plain_asgi),
            Mount("/router", Router(routes=[Route("/a", page)])),
            Mount("/list", routes=[Route("/b", page)]),
            Mount("/sub/{lang}", inner),
            Mount("/nested", Starlette(routes=[Mount("/{shop}", inner)])),
            Host("api.example.org", Router(routes=[Route("/by-host/{z}", page)])),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=turn_away)],
    )


@pytest.mark.parametrize(
    ("path", "status", "endpoint"),
    [
        ("/", 200, "/"),
        ("/who/anybody", 200, "/who/{x}"),
        ("/number/7", 200, "/number/{n}"),
        ("/number/seven", 404, "__unmatched__"),
        ("/files/a/b/c", 200, "/files/{rest}"),
        ("/thing/one", 200, "/thing/{name}"),
        ("/static/style.css", 200, "/static/{path}"),
        ("/static/missing.css", 404, "/static/{path}"),
        ("/plain/what/ever", 200, "/plain/{path}"),
        ("/router/a", 200, "/router/a"),
        ("/list/b", 200, "/list/b"),
        ("/sub/en/", 200, "/sub/{lang}/"),
        ("/sub/en/deep/7", 200, "/sub/{lang}/deep/{y}"),
        ("/sub/en/no/such", 404, "__unmatched__"),
        ("/nested/one/deep/7", 200, "/nested/{shop}/deep/{y}"),
        ("/nested/one/deep", 404, "__unmatched__"),
        ("/no/such/page", 404, "__unmatched__"),
    ],
)
def test_endpoint(site: Starlette, ask: Ask, path: str, status: int, endpoint: str) -> None:
    assert ask(site, path)[:2] == (status, endpoint)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/folder", "/folder/"),
        ("/who/anybody/", "/who/{x}"),
        ("/sub/en/slashed", "/sub/{lang}/slashed/"),
        ("/nested/one/slashed", "/nested/{shop}/slashed/"),
    ],
)
def test_redirected_for_a_slash(site: Starlette, ask: Ask, path: str, endpoint: str) -> None:
    """The route that it is redirected to."""
    assert ask(site, path) == (307, endpoint, ())


@pytest.mark.parametrize(("path", "endpoint"), [("/who/x", "/who/{x}"), ("/thing/one", "/thing/{name}")])
def test_wrong_method(site: Starlette, ask: Ask, path: str, endpoint: str) -> None:
    """The route, and no exception, though Starlette raises one to say so."""
    assert ask(site, path, "DELETE") == (405, endpoint, ())


def test_host(site: Starlette, ask: Ask) -> None:
    """A router that is chosen by the host."""
    headers = {"Host": "api.example.org"}
    assert ask(site, "/by-host/7", headers=headers)[:2] == (200, "/by-host/{z}")
    assert ask(site, "/by-host", headers=headers)[:2] == (404, "__unmatched__")


def test_answered_by_a_middleware(site: Starlette, ask: Ask) -> None:
    """No router was asked."""
    assert ask(site, "/who/x?away") == (401, "__unrouted__", ())


def test_route_that_comes_later(site: Starlette, ask: Ask) -> None:
    """Routes may be added, and applications made, at any time."""
    assert ask(site, "/later/7")[1] == "__unmatched__"
    site.add_route("/later/{n}", page)
    assert ask(site, "/later/7")[1] == "/later/{n}"


def test_route_of_a_class_of_its_own(ask: Ask) -> None:
    """Classes of routes that the application derives."""

    class Loud(Route):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await super().handle(scope, receive, send)

    assert ask(Starlette(routes=[Loud("/loud/{x}", page)]), "/loud/1")[:2] == (200, "/loud/{x}")


def test_root_path(ask: Ask) -> None:
    """What a proxy cuts off in front of the application is no part of an endpoint."""
    inner = Starlette(routes=[Route("/deep/{x}", page), Route("/slashed/", page)])
    app = Starlette(routes=[Mount("/sub", inner)])

    async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": "/proxy", "path": f"/proxy{scope['path']}"}, receive, send)

    assert ask(behind_a_proxy, "/sub/deep/7")[:2] == (200, "/sub/deep/{x}")


@pytest.fixture
def fast() -> FastAPI:
    """Routers in routers, an application in an application."""
    app, sub = FastAPI(), FastAPI()
    inner, outer = APIRouter(prefix="/items"), APIRouter(prefix="/{tenant}")

    @inner.get("/{item}")
    @app.get("/items/{item}/")
    @sub.get("/deep/{item}")
    def item(item: int) -> int:
        return item

    outer.include_router(inner)
    outer.mount("/legacy", Starlette(routes=[Route("/old/{x}", page)]))
    app.include_router(outer, prefix="/api")
    app.mount("/sub", sub)
    return app


@pytest.mark.parametrize(
    ("path", "method", "status", "endpoint"),
    [
        ("/items/7/", "GET", 200, "/items/{item}/"),
        ("/items/7", "GET", 307, "/items/{item}/"),
        ("/api/acme/items/7", "GET", 200, "/api/{tenant}/items/{item}"),
        ("/api/acme/items/7/", "GET", 307, "/api/{tenant}/items/{item}"),
        ("/api/acme/items/7", "PUT", 405, "/api/{tenant}/items/{item}"),
        ("/api/acme/items/seven", "GET", 422, "/api/{tenant}/items/{item}"),
        ("/api/acme/nothing", "GET", 404, "__unmatched__"),
        ("/sub/deep/7", "GET", 200, "/sub/deep/{item}"),
        ("/sub/deep", "GET", 404, "__unmatched__"),
        ("/sub/docs", "GET", 200, "/sub/docs"),
        ("/openapi.json", "GET", 200, "/openapi.json"),
    ],
)
def test_fastapi(fast: FastAPI, ask: Ask, path: str, method: str, status: int, endpoint: str) -> None:
    assert ask(fast, path, method)[:2] == (status, endpoint)


def test_fastapi_mount_in_a_router(fast: FastAPI, ask: Ask) -> None:
    """Where this FastAPI takes a mount along with the router that has it."""
    seen = ask(fast, "/api/acme/legacy/old/7")
    assert seen[:2] in [(200, "/api/{tenant}/legacy/old/{x}"), (404, "__unmatched__")]


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="this FastAPI has no frontends")
def test_fastapi_frontend(tmp_path: Path, ask: Ask) -> None:
    """Files for paths that no route has."""
    (tmp_path / "index.html").write_text("<p>")
    app = FastAPI()
    app.frontend("/ui", directory=tmp_path)
    assert ask(app, "/ui/index.html")[:2] == (200, "/ui/{path}")
