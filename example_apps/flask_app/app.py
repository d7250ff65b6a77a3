"""A small file shelf: upload, download, a streamed report, a JSON API and errors of both kinds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, redirect, render_template, request, send_file, url_for
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response as BaseResponse

from gunicorn_prometheus_exporter_flask import PrometheusExporter


class NoSuchFile(LookupError):
    """A file that is not on the shelf."""


app = Flask(__name__)
app.config["SHELF"] = os.environ.get("SHELF") or os.path.join(tempfile.gettempdir(), "flask_app_shelf")
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024 * 1024
PrometheusExporter(app)

api = Blueprint("api", __name__, url_prefix="/api")


def shelf() -> Path:
    directory = Path(app.config["SHELF"])
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def file_on_shelf(name: str) -> Path:
    path = shelf() / secure_filename(name)
    if not path.is_file():
        raise NoSuchFile(name)
    return path


@app.get("/")
def index() -> str:
    return render_template("index.html", files=sorted(path.name for path in shelf().iterdir()))


@app.post("/files")
def upload() -> BaseResponse:
    sent = request.files.get("file")
    name = secure_filename(sent.filename or "") if sent else ""
    if sent is None or not name:
        abort(400, "Choose a file.")
    sent.save(shelf() / name)
    return redirect(url_for("index"))


@app.get("/files/<name>")
def download(name: str) -> Response:
    return send_file(file_on_shelf(name), as_attachment=True)


@app.get("/report")
def report() -> Response:
    """A line for each file, sent as it is made. ``?lines=`` repeats it for a long one."""
    lines = min(request.args.get("lines", 1, type=int), 100_000)

    def rows() -> Iterator[str]:
        yield "name,bytes\n"
        for path in sorted(shelf().iterdir()):
            for _ in range(lines):
                yield f"{path.name},{path.stat().st_size}\n"

    return Response(rows(), mimetype="text/csv")


@app.get("/broken")
def broken() -> str:
    """A bug nobody handles: the client gets a 500."""
    return str(1 / 0)


@api.get("/files")
def files() -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(shelf().iterdir())}


@api.get("/files/<name>")
def file(name: str) -> dict[str, str | int]:
    return {"name": name, "bytes": file_on_shelf(name).stat().st_size}


@api.delete("/files/<name>")
def delete(name: str) -> tuple[str, int]:
    file_on_shelf(name).unlink()
    return "", 204


@app.errorhandler(NoSuchFile)
def no_such_file(error: NoSuchFile) -> tuple[str, int]:
    return render_template("error.html", message=f"There is no file {error}."), 404


app.register_blueprint(api)
