"""A view for each way a view can end."""

import tempfile
import time

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation, ValidationError
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import resolve
from django.views import View
from django.views.decorators.csrf import csrf_exempt


class Answered(Exception):
    pass


class Retold(Exception):
    pass


ERRORS = {
    error.__name__: error
    for error in (
        ValueError,
        Http404,
        PermissionDenied,
        SuspiciousOperation,
        BadRequest,
        ValidationError,
        Answered,
        Retold,
        SystemExit,
    )
}


def ok(request, *args, **kwargs):
    return HttpResponse("ok")


class OnlyGet(View):
    def get(self, request):
        return HttpResponse("got")


def fail(request, error):
    raise ERRORS[error]("raised by a view")


async def fail_async(request, error):
    raise ERRORS[error]("raised by a view")


async def ok_async(request):
    return HttpResponse("ok")


def nothing(request):
    return None


def unrenderable(request):
    return TemplateResponse(request, "missing.html")


def caught(request):
    try:
        raise ValueError("the view's own business")
    except ValueError:
        return HttpResponse("fine")


def caught_and_raised(request):
    try:
        {}["missing"]
    except KeyError as error:
        raise Http404("no such key") from error


def resolves(request):
    resolve("/no/such/page")


def away(request):
    return redirect("/ok/")


@csrf_exempt
def fields(request):
    return HttpResponse(str(len(request.POST)))


@csrf_exempt
def exempt(request):
    return HttpResponse("read nothing")


@csrf_exempt
def body(request):
    # A bridge that touched request.POST would leave nothing to read here.
    return HttpResponse(str(len(request.read())))


def file(request):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 300_000)
        file.flush()
        return FileResponse(open(file.name, "rb"))


def hangs(request, pk):
    time.sleep(60)


def stream(request):
    return StreamingHttpResponse(b"x" * 1000 for _ in range(5))


def stream_fails(request):
    def chunks():
        yield b"x" * 1000
        raise ValueError("in the middle")

    return StreamingHttpResponse(chunks())


def failing_handler(request, exception=None):
    raise LookupError("no page for this error either")


def plain_500(request):
    return HttpResponse("sorry", status=500)
