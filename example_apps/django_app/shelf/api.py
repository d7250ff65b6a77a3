"""The same files as JSON."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from .files import file_on_shelf
from .files import files as all_files


@require_GET
def files(request: HttpRequest) -> JsonResponse:
    return JsonResponse({path.name: path.stat().st_size for path in all_files()})


# No cookie identifies anyone here, so there is nothing to forge.
@method_decorator(csrf_exempt, name="dispatch")
class File(View):
    def get(self, request: HttpRequest, name: str) -> JsonResponse:
        return JsonResponse({"name": name, "bytes": file_on_shelf(name).stat().st_size})

    def delete(self, request: HttpRequest, name: str) -> HttpResponse:
        file_on_shelf(name).unlink()
        return HttpResponse(status=204)


urlpatterns = [
    path("files", files, name="files"),
    path("files/<name>", File.as_view(), name="file"),
]
