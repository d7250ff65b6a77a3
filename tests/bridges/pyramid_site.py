"""The bridge contract's application in Pyramid: what each page does is in ``contract.py``."""

from ledger import raised, received
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPFound
from pyramid.response import FileResponse, Response


class NoSuchThing(LookupError):
    pass


class Retold(Exception):
    pass


def answer(error, request):
    return Response(f"no such thing: {error}", status=404)


def fail_to_answer(error, request):
    raise RuntimeError("no answer either")


def hello(request):
    return Response("hello")


def items(request):
    return Response(request.matchdict["number"])


def upload(request):
    size = len(request.body)
    received(request.path[1:], size)
    return Response(str(size))


def pieces(request):
    size = 0
    while data := request.body_file.read(1000):
        size += len(data)
    received("pieces", size)
    return Response(str(size))


def unread(request):
    return Response("not now", status=503)


def download(request):
    return FileResponse("download.txt", request=request)


def stream(request):
    parts, size = int(request.GET["parts"]), int(request.GET["size"])
    return Response(app_iter=(b"x" * size for _ in range(parts)))


def flood(request):
    def body():
        while True:
            yield b"x" * 65536

    return Response(app_iter=body())


def stream_fails(request):
    def body():
        yield b"x" * 3000
        raised("stream-fails", "ValueError")
        raise ValueError("in the middle")

    return Response(app_iter=body())


def handled(request):
    raised("handled", "NoSuchThing")
    raise NoSuchThing("x")


def refused(request):
    raised("refused", "HTTPForbidden")
    raise HTTPForbidden


def converted(request):
    raised("converted", "Retold")
    raise Retold


def unhandled(request):
    raised("unhandled", "ValueError")
    raise ValueError("nobody wants it")


def away(request):
    raise HTTPFound("/hello")


PAGES = {
    "GET": {
        "hello": hello,
        "items/{number:[0-9]+}": items,
        "download": download,
        "stream": stream,
        "flood": flood,
        "stream-fails": stream_fails,
        "handled": handled,
        "refused": refused,
        "converted": converted,
        "unhandled": unhandled,
        "away": away,
    },
    "POST": {"upload": upload, "cut": upload, "reset": upload, "pieces": pieces, "unread": unread},
}

with Configurator() as config:
    config.include("gunicorn_prometheus_exporter_pyramid")
    config.add_exception_view(answer, context=NoSuchThing)
    config.add_exception_view(fail_to_answer, context=Retold)
    for method, pages in PAGES.items():
        for pattern, view in pages.items():
            config.add_route(pattern, pattern)
            config.add_view(view, route_name=pattern, request_method=method)
    app = config.make_wsgi_app()
