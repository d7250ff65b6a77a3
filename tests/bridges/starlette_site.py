"""The bridge contract's application in Starlette: what each page does is in ``contract.py``."""

import asyncio

from ledger import raised, received
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute


class NoSuchThing(LookupError):
    pass


class Retold(Exception):
    pass


async def answer(request, error):
    return PlainTextResponse(f"no such thing: {error}", 404)


def fail_to_answer(request, error):
    raise RuntimeError("no answer") from error


async def hello(request):
    return PlainTextResponse("hello")


def item(request):
    return PlainTextResponse(str(request.path_params["number"]))


async def upload(request):
    size = len(await request.body())
    received(request.url.path[1:], size)
    return PlainTextResponse(str(size))


async def pieces(request):
    size = 0
    async for data in request.stream():
        size += len(data)
    received("pieces", size)
    return PlainTextResponse(str(size))


async def unread(request):
    return PlainTextResponse("not now", 503)


async def download(request):
    return FileResponse("download.txt")


async def stream(request):
    parts, size = int(request.query_params["parts"]), int(request.query_params["size"])

    async def body():
        for _ in range(parts):
            yield b"x" * size

    return StreamingResponse(body())


async def flood(request):
    async def body():
        while True:
            yield b"x" * 65536
            # To a client that is gone, sending takes no time: nothing else would get its turn.
            await asyncio.sleep(0)

    return StreamingResponse(body())


async def stream_fails(request):
    async def body():
        yield b"x" * 3000
        raised("stream-fails", "ValueError")
        raise ValueError("in the middle")

    return StreamingResponse(body())


async def handled(request):
    raised("handled", "NoSuchThing")
    raise NoSuchThing("x")


def refused(request):
    raised("refused", "HTTPException")
    raise HTTPException(403)


async def converted(request):
    raised("converted", "Retold")
    raise Retold


async def unhandled(request):
    raised("unhandled", "ValueError")
    raise ValueError("nobody wants it")


async def away(request):
    return RedirectResponse("/hello", 302)


async def room(socket):
    await socket.accept()
    async for text in socket.iter_text():
        received("rooms", len(text))
        await socket.send_text(text)


app = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/items/{number:int}", item),
        Route("/upload", upload, methods=["POST"]),
        Route("/cut", upload, methods=["POST"]),
        Route("/reset", upload, methods=["POST"]),
        Route("/pieces", pieces, methods=["POST"]),
        Route("/unread", unread, methods=["POST"]),
        Route("/download", download),
        Route("/stream", stream),
        Route("/flood", flood),
        Route("/stream-fails", stream_fails),
        Route("/handled", handled),
        Route("/refused", refused),
        Route("/converted", converted),
        Route("/unhandled", unhandled),
        Route("/away", away),
        WebSocketRoute("/rooms/{name}", room),
    ],
    exception_handlers={NoSuchThing: answer, Retold: fail_to_answer},
)
