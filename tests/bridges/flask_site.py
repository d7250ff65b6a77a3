"""The bridge contract's application in Flask: what each page does is in ``contract.py``."""

from flask import Flask, Response, abort, redirect, request, send_file
from ledger import raised, received
from werkzeug.exceptions import BadRequest

from gunicorn_prometheus_exporter_flask import PrometheusExporter

app = Flask(__name__)
PrometheusExporter(app)


class NoSuchThing(LookupError):
    pass


class Retold(Exception):
    pass


@app.errorhandler(NoSuchThing)
def answer(error):
    return f"no such thing: {error}", 404


@app.errorhandler(Retold)
def fail_to_answer(error):
    raise BadRequest from error


@app.get("/hello")
def hello():
    return "hello"


@app.get("/items/<int:number>")
def item(number):
    return str(number)


@app.post("/upload")
@app.post("/cut")
@app.post("/reset")
def upload():
    size = len(request.get_data())
    received(request.path[1:], size)
    return str(size)


@app.post("/pieces")
def pieces():
    size = 0
    while data := request.stream.read(1000):
        size += len(data)
    received("pieces", size)
    return str(size)


@app.post("/unread")
def unread():
    return "not now", 503


@app.get("/download")
def download():
    return send_file("download.txt")


@app.get("/stream")
def stream():
    parts, size = request.args.get("parts", type=int), request.args.get("size", type=int)
    return Response(b"x" * size for _ in range(parts))


@app.get("/flood")
def flood():
    def body():
        while True:
            yield b"x" * 65536

    return Response(body())


@app.get("/stream-fails")
def stream_fails():
    def body():
        yield b"x" * 3000
        raised("stream-fails", "ValueError")
        raise ValueError("in the middle")

    return Response(body())


@app.get("/handled")
def handled():
    raised("handled", "NoSuchThing")
    raise NoSuchThing("x")


@app.get("/refused")
def refused():
    raised("refused", "Forbidden")
    abort(403)


@app.get("/converted")
def converted():
    raised("converted", "Retold")
    raise Retold


@app.get("/unhandled")
def unhandled():
    raised("unhandled", "ValueError")
    raise ValueError("nobody wants it")


@app.get("/away")
def away():
    abort(redirect("/hello"))
