"""Django REST framework's own answers to exceptions."""

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import path
from rest_framework.decorators import api_view, renderer_classes
from rest_framework.exceptions import MethodNotAllowed, NotFound, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

ERRORS = {
    error.__name__: error for error in (ValidationError, NotFound, Http404, PermissionDenied, ValueError, KeyError)
}


class Base(APIView):
    renderer_classes = (JSONRenderer,)


class Fail(Base):
    def get(self, request, error):
        raise ERRORS[error]("raised by an API view")


class Refuses(Base):
    def get(self, request):
        raise MethodNotAllowed("GET")


class Private(Base):
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({})


class OwnHandler(Base):
    def get_exception_handler(self):
        return lambda error, context: Response({"error": str(error)}, status=422)

    def get(self, request):
        raise ValueError("which this view's own handler answers")


class FailingHandler(Base):
    def get_exception_handler(self):
        def handler(error, context):
            raise LookupError("no answer")

        return handler

    def get(self, request):
        raise ValueError("which this view's own handler cannot answer")


class Book(ViewSet):
    renderer_classes = (JSONRenderer,)

    def list(self, request):
        return Response([])

    def retrieve(self, request, pk):
        raise NotFound(pk)


@api_view(["POST"])
@renderer_classes([JSONRenderer])
def echo(request):
    return Response(request.data)


router = SimpleRouter()
router.register("books", Book, basename="book")

urlpatterns = [
    path("fail/<error>/", Fail.as_view()),
    path("refuses/", Refuses.as_view()),
    path("private/", Private.as_view()),
    path("own-handler/", OwnHandler.as_view()),
    path("failing-handler/", FailingHandler.as_view()),
    path("echo/", echo),
    *router.urls,
]
