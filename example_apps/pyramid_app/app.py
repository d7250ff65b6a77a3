"""A small file shelf: upload, download, a streamed report, a JSON API and errors of both kinds."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPFound
from pyramid.request import Request
from pyramid.response import FileResponse, Response
from pyramid.view import exception_view_config, view_config

SHELF = Path(os.environ.get("SHELF") or os.path.join(tempfile.gettempdir(), "pyramid_app_shelf"))
PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>File shelf</title><h1>File shelf</h1>{}</html>'
INDEX = """<ul>{files}</ul>
<form action="/files" method="post" enctype="multipart/form-data">
  <input type="file" name="file" required>
  <button>Upload</button>
</form>
<p><a href="/report">Report</a> · <a href="/api/files">API</a> ·
  <a href="/files/nothing.txt">A handled error</a> · <a href="/broken">An unhandled one</a></p>"""


class NoSuchFile(LookupError):
    """A file that is not on the shelf."""


def files_on_shelf() -> list[Path]:
    SHELF.mkdir(parents=True, exist_ok=True)
    return sorted(path for path in SHELF.iterdir() if path.is_file())


def file_on_shelf(request: Request) -> Path:
    name = request.matchdict["name"]
    for path in files_on_shelf():
        if path.name == name:
            return path
    raise NoSuchFile(name)


@view_config(route_name="index")
def index(request: Request) -> Response:
    names = [escape(path.name) for path in files_on_shelf()]
    items = "".join(f'<li><a href="{request.route_path("file", name=name)}">{name}</a>' for name in names)
    return Response(PAGE.format(INDEX.format(files=items)))


@view_config(route_name="files", request_method="POST")
def upload(request: Request) -> Response:
    sent = request.POST.get("file")
    # A browser may send a whole path, and a client whatever it likes.
    name = Path(getattr(sent, "filename", "").replace("\\", "/")).name.lstrip(".")
    if not name:
        raise HTTPBadRequest("Choose a file.")
    SHELF.mkdir(parents=True, exist_ok=True)
    with (SHELF / name).open("wb") as file:
        shutil.copyfileobj(sent.file, file)
    return HTTPFound(request.route_path("index"))


@view_config(route_name="file", request_method="GET")
def download(request: Request) -> Response:
    return FileResponse(str(file_on_shelf(request)), request=request)


@view_config(route_name="report")
def report(request: Request) -> Response:
    """A line for each file, sent as it is made. ``?lines=`` repeats it for a long one."""
    wanted = request.GET.get("lines", "1")
    if not wanted.isdecimal():
        raise HTTPBadRequest("How many lines?")
    lines = min(int(wanted[:9]), 100_000)

    def rows() -> Iterator[bytes]:
        yield b"name,bytes\n"
        for path in files_on_shelf():
            for _ in range(lines):
                yield f"{path.name},{path.stat().st_size}\n".encode()

    return Response(app_iter=rows(), content_type="text/csv")


@view_config(route_name="broken")
def broken(request: Request) -> Response:
    """A bug nobody handles: the client gets a 500."""
    return Response(str(1 / 0))


@view_config(route_name="api_files", renderer="json")
def api_files(request: Request) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in files_on_shelf()}


@view_config(route_name="api_file", request_method="GET", renderer="json")
def api_file(request: Request) -> dict[str, Any]:
    path = file_on_shelf(request)
    return {"name": path.name, "bytes": path.stat().st_size}


@view_config(route_name="api_file", request_method="DELETE")
def delete(request: Request) -> Response:
    file_on_shelf(request).unlink()
    return Response(status=204)


@exception_view_config(NoSuchFile)
def no_such_file(error: NoSuchFile, request: Request) -> Response:
    return Response(PAGE.format(f"<p>There is no file {escape(str(error))}.</p>"), status=404)


def api(config: Configurator) -> None:
    config.add_route("api_files", "files")
    config.add_route("api_file", "files/{name}")


def make_app() -> Callable[..., Any]:
    with Configurator() as config:
        config.include("gunicorn_prometheus_exporter_pyramid")
        config.add_route("index", "/")
        config.add_route("files", "/files")
        config.add_route("file", "/files/{name}")
        config.add_route("report", "/report")
        config.add_route("broken", "/broken")
        config.include(api, route_prefix="/api")
        config.scan(__name__)
        return config.make_wsgi_app()


app = make_app()
