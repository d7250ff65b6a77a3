"""``traffic_app.py`` for ASGI: the first part of the path says what to do, the whole path is the endpoint.

Copied into a server's home; imports the core for the note. Speaks lifespan, and leaves what it did in files there.
"""

import asyncio
import os
import time
from urllib.parse import parse_qs

from gunicorn_prometheus_exporter.note import note_of


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await do_lifespan(receive, send)
    path = scope["path"]
    note_of(scope).endpoint(path)
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    return await globals()[f"do_{path.split('/')[1]}"](scope, receive, send, query)


def say(what):
    with open("said", "a") as file:
        file.write(f"{what}\n")


async def do_lifespan(receive, send):
    while True:
        what = (await receive())["type"].partition(".")[2]
        say(what)
        await send({"type": f"lifespan.{what}.complete"})
        if what == "shutdown":
            return


async def start(send, status=200, length=None):
    headers = [(b"content-type", b"application/octet-stream")]
    if length is not None:
        # Django and others do not write it in lower case.
        headers.append((b"Content-Length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def do_plain(scope, receive, send, query):
    data = b"x" * int(query.get("size", 5))
    await start(send, int(query.get("status", 200)), len(data) if "length" in query else None)
    await body(send, data)


async def do_stream(scope, receive, send, query):
    """``parts`` parts of ``size`` bytes, ``pause`` seconds before each but the first; sized if ``length`` says so."""
    await start(send, length=query.get("length"))
    for number in range(int(query["parts"])):
        if number:
            await asyncio.sleep(float(query.get("pause", 0)))
        await body(send, b"x" * int(query["size"]), True)
    await asyncio.sleep(float(query.get("end", 0)))
    await body(send)


async def do_events(scope, receive, send, query):
    """Server-sent events until the client leaves, which the application waits for beside them."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def events():
        while True:
            await body(send, b"data: tick\n\n", True)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(events())
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
    say("client left")


async def do_read(scope, receive, send, query):
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            say("cut")
            return
        received += len(message["body"])
        if not message["more_body"]:
            break
    answer = str(received).encode()
    await start(send, length=len(answer))
    await body(send, answer)


async def do_background(scope, receive, send, query):
    """A whole response, then work."""
    await start(send, length=4)
    await body(send, b"done")
    await asyncio.sleep(float(query["seconds"]))
    say("background")
    if "error" in query:
        raise_error(query)


async def do_raise(scope, receive, send, query):
    """Raise before a response, or after ``sent`` bytes of it, or when it is whole (``complete``)."""
    if "sent" in query:
        await start(send)
        await body(send, b"x" * int(query["sent"]), "complete" not in query)
    raise_error(query)


def raise_error(query):
    raise {"ValueError": ValueError, "OSError": OSError}[query["error"]]("as asked")


async def do_nothing(scope, receive, send, query):
    """Return no response at all, or one that ends too early."""
    if "sent" in query:
        await start(send)
        await body(send, b"x" * int(query["sent"]), True)


async def do_sleep(scope, receive, send, query):
    await asyncio.sleep(float(query["seconds"]))
    await start(send)
    await body(send, b"slept")


async def do_block(scope, receive, send, query):
    """What no asynchronous application should do."""
    time.sleep(float(query["seconds"]))
    await start(send)
    await body(send, b"blocked")


async def do_exit(scope, receive, send, query):
    os._exit(7)


async def do_flood(scope, receive, send, query):
    await start(send)
    while True:
        await body(send, b"x" * 65536, True)
        await asyncio.sleep(0)


async def do_echo(scope, receive, send, query):
    """A websocket that sends back what it gets; ``close me`` makes it close with 4001, ``raise`` fail."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == "close me":
            await send({"type": "websocket.close", "code": 4001})
            return
        if message.get("text") == "raise":
            raise ValueError("as asked")
        await send({**message, "type": "websocket.send"})


async def do_refuse(scope, receive, send, query):
    await receive()
    await send({"type": "websocket.close"})


async def do_fail(scope, receive, send, query):
    await receive()
    raise ValueError("before accepting")
