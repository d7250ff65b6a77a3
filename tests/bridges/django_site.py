"""The bridge contract's application in Django: what each page does is in ``contract.py``."""

import sys

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_GET
from ledger import raised, received


class NoSuchThing(LookupError):
    pass


class Retold(Exception):
    pass


class Answers:
    """The user's own answers to some of the exceptions."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if isinstance(exception, NoSuchThing):
            return HttpResponse(f"no such thing: {exception}", status=404)
        if isinstance(exception, Retold):
            raise RuntimeError("no answer either") from exception
        return None


@require_GET
def hello(request):
    return HttpResponse("hello")


def item(request, number):
    return HttpResponse(str(number))


def upload(request):
    size = len(request.body)
    received(request.path[1:], size)
    return HttpResponse(str(size))


def pieces(request):
    size = 0
    while data := request.read(1000):
        size += len(data)
    received("pieces", size)
    return HttpResponse(str(size))


def unread(request):
    return HttpResponse("not now", status=503)


def download(request):
    return FileResponse(open("download.txt", "rb"))


def stream(request):
    parts, size = int(request.GET["parts"]), int(request.GET["size"])
    return StreamingHttpResponse(b"x" * size for _ in range(parts))


def flood(request):
    def body():
        while True:
            yield b"x" * 65536

    return StreamingHttpResponse(body())


def stream_fails(request):
    def body():
        yield b"x" * 3000
        raised("stream-fails", "ValueError")
        raise ValueError("in the middle")

    return StreamingHttpResponse(body())


def handled(request):
    raised("handled", "NoSuchThing")
    raise NoSuchThing("x")


def refused(request):
    raised("refused", "PermissionDenied")
    raise PermissionDenied


def converted(request):
    raised("converted", "Retold")
    raise Retold


def unhandled(request):
    raised("unhandled", "ValueError")
    raise ValueError("nobody wants it")


def away(request):
    return redirect("/hello")


urlpatterns = [
    path("hello", hello),
    path("items/<int:number>", item),
    path("upload", upload),
    path("cut", upload),
    path("reset", upload),
    path("pieces", pieces),
    path("unread", unread),
    path("download", download),
    path("stream", stream),
    path("flood", flood),
    path("stream-fails", stream_fails),
    path("handled", handled),
    path("refused", refused),
    path("converted", converted),
    path("unhandled", unhandled),
    path("away", away),
]

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=sys.modules[__name__],
    SECRET_KEY="not a secret",
    INSTALLED_APPS=["gunicorn_prometheus_exporter_django"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", f"{__name__}.Answers"],
    USE_TZ=True,
)
app = get_wsgi_application()
