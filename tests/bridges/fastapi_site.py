"""The bridge contract's application in FastAPI: what each page does is in ``contract.py``."""

import asyncio

from fastapi import APIRouter, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from ledger import raised, received

app = FastAPI()
router = APIRouter()


class NoSuchThing(LookupError):
    pass


class Retold(Exception):
    pass


@app.exception_handler(NoSuchThing)
async def answer(request, error):
    return PlainTextResponse(f"no such thing: {error}", 404)


@app.exception_handler(Retold)
def fail_to_answer(request, error):
    raise RuntimeError("no answer") from error


@app.get("/hello")
async def hello():
    return "hello"


@router.get("/items/{number}")
def item(number: int):
    return number


@app.post("/upload")
@app.post("/cut")
@app.post("/reset")
async def upload(request: Request):
    size = len(await request.body())
    received(request.url.path[1:], size)
    return size


@app.post("/pieces")
async def pieces(request: Request):
    size = 0
    async for data in request.stream():
        size += len(data)
    received("pieces", size)
    return size


@app.post("/unread")
async def unread():
    return PlainTextResponse("not now", 503)


@app.api_route("/download", methods=["GET", "HEAD"])
def download():
    return FileResponse("download.txt")


@app.get("/stream")
async def stream(parts: int, size: int):
    def body():
        for _ in range(parts):
            yield b"x" * size

    return StreamingResponse(body())


@app.get("/flood")
async def flood():
    async def body():
        while True:
            yield b"x" * 65536
            # To a client that is gone, sending takes no time: nothing else would get its turn.
            await asyncio.sleep(0)

    return StreamingResponse(body())


@app.get("/stream-fails")
async def stream_fails():
    async def body():
        yield b"x" * 3000
        raised("stream-fails", "ValueError")
        raise ValueError("in the middle")

    return StreamingResponse(body())


@app.get("/handled")
async def handled():
    raised("handled", "NoSuchThing")
    raise NoSuchThing("x")


@app.get("/refused")
def refused():
    raised("refused", "HTTPException")
    raise HTTPException(403)


@app.get("/converted")
async def converted():
    raised("converted", "Retold")
    raise Retold


@app.get("/unhandled")
def unhandled():
    raised("unhandled", "ValueError")
    raise ValueError("nobody wants it")


@app.get("/away")
async def away():
    return RedirectResponse("/hello", 302)


@router.websocket("/rooms/{name}")
async def room(socket: WebSocket, name: str):
    await socket.accept()
    async for text in socket.iter_text():
        received("rooms", len(text))
        await socket.send_text(text)


app.include_router(router)
