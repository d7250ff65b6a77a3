"""One ASGI application in Starlette and FastAPI: alone, and with the exporters of each. Ours needs no change."""

from __future__ import annotations

from typing import Any


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"user {request.path_params['number']}")

    return Starlette(routes=[Route("/users/{number:int}", show)])


def starlette_exporter() -> Any:
    from starlette_exporter import PrometheusMiddleware

    app = starlette()
    app.add_middleware(PrometheusMiddleware)
    return app


def fastapi() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/users/{number}", response_class=PlainTextResponse)
    async def show(number: int) -> str:
        return f"user {number}"

    return app


def instrumentator() -> Any:
    from prometheus_fastapi_instrumentator import Instrumentator

    app = fastapi()
    Instrumentator().instrument(app)
    return app
