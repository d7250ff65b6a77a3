"""A small file shelf: upload, download, a streamed report, live news, a chat and errors of both kinds."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse

SHELF = Path(os.environ.get("SHELF") or os.path.join(tempfile.gettempdir(), "fastapi_app_shelf"))
MAX_BYTES = 64 * 1024 * 1024


class NoSuchFile(LookupError):
    """A file that is not on the shelf."""


app = FastAPI(title="A file shelf")
files = APIRouter(prefix="/files", tags=["files"])
admin = FastAPI(title="What only the owner needs")


def shelf() -> list[Path]:
    SHELF.mkdir(parents=True, exist_ok=True)
    return sorted(SHELF.iterdir())


def file_on_shelf(name: str) -> Path:
    path = SHELF / name
    if path not in shelf():
        raise NoSuchFile(name)
    return path


@app.exception_handler(NoSuchFile)
async def no_such_file(request: Request, error: NoSuchFile) -> JSONResponse:
    return JSONResponse({"error": f"There is no file {error}."}, 404)


@app.get("/")
async def index() -> dict[str, list[str]]:
    return {"files": [path.name for path in shelf()]}


@files.put("/{name}", status_code=201)
async def upload(name: str, request: Request, tasks: BackgroundTasks) -> dict[str, int]:
    """Takes the body as it comes, and has it counted in lines when the answer is out."""
    if Path(name).name != name or name in {".", ".."}:
        raise HTTPException(400, "Choose another name.")
    shelf()
    size = 0
    with (SHELF / name).open("wb") as file:
        async for data in request.stream():
            size += len(data)
            if size > MAX_BYTES:
                raise HTTPException(413, "The shelf is small.")
            file.write(data)
    tasks.add_task(count_lines, SHELF / name)
    return {"bytes": size}


async def count_lines(path: Path) -> None:
    await asyncio.sleep(0.5)
    # By now it may be gone again.
    if path in shelf():
        print(f"{path.name}: {path.read_bytes().count(10)} lines")


@files.get("/{name}")
def download(name: str) -> FileResponse:
    return FileResponse(file_on_shelf(name))


@admin.delete("/files/{name}", status_code=204, response_model=None)
def delete(name: str) -> None:
    try:
        file_on_shelf(name).unlink()
    except NoSuchFile:
        raise HTTPException(404, f"There is no file {name}.") from None


@app.get("/report")
def report(lines: int = 1) -> StreamingResponse:
    """A line for each file, sent as it is made. ``?lines=`` repeats it for a long one."""

    def rows() -> Iterator[str]:
        yield "name,bytes\n"
        for path in shelf():
            for _ in range(min(lines, 100_000)):
                yield f"{path.name},{path.stat().st_size}\n"

    return StreamingResponse(rows(), media_type="text/csv")


@app.get("/news")
async def news() -> StreamingResponse:
    """Server-sent events: how many files there are, as often as that changes."""

    async def events() -> AsyncIterator[str]:
        last = -1
        while True:
            if len(shelf()) != last:
                last = len(shelf())
                yield f"data: {last} files\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/broken")
async def broken() -> PlainTextResponse:
    """A bug nobody handles: the client gets a 500."""
    return PlainTextResponse(str(1 / 0))


@app.websocket("/echo/{room}")
async def echo(socket: WebSocket, room: str) -> None:
    if room == "closed":
        await socket.close()
        return
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{room}: {text}")


app.include_router(files)
app.mount("/admin", admin)
