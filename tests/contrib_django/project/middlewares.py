"""Middlewares that fail, answer or refuse when the query says so."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse

from .views import Answered, Retold


class Early:
    """Outside of all others: raises or answers, before the view or after it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        act(request.GET.get("before"))
        if "short" in request.GET:
            return HttpResponse("from the middleware")
        if "urlconf" in request.GET:
            request.urlconf = request.GET["urlconf"]
        response = self.get_response(request)
        act(request.GET.get("after"))
        return response

    def process_view(self, request, view, args, kwargs):
        act(request.GET.get("view"))
        return HttpResponse("instead of the view") if "instead" in request.GET else None


class Answering:
    """Answers some of the exceptions of views, well or badly."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if isinstance(exception, Answered):
            return HttpResponse("answered", status=409)
        if isinstance(exception, Retold):
            raise (Http404 if "gently" in request.GET else RuntimeError)("retold") from exception
        return None


def act(what):
    errors = {"ValueError": ValueError, "Http404": Http404, "PermissionDenied": PermissionDenied}
    if what is not None:
        raise errors[what]("in a middleware")
