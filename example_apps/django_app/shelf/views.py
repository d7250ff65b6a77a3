"""The pages: a form to upload, downloads, a report, errors."""

from __future__ import annotations

from collections.abc import Iterator

from django import forms
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from .files import file_on_shelf, files, shelf


class UploadForm(forms.Form):
    file = forms.FileField()


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html", {"files": files(), "form": UploadForm()})


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "index.html", {"files": files(), "form": form}, status=400)
    sent = form.cleaned_data["file"]
    with (shelf() / sent.name).open("wb") as file:
        for chunk in sent.chunks():
            file.write(chunk)
    return redirect("index")


@require_GET
def download(request: HttpRequest, name: str) -> FileResponse:
    return FileResponse(file_on_shelf(name).open("rb"), as_attachment=True)


@require_GET
def report(request: HttpRequest) -> StreamingHttpResponse:
    """A line for each file, sent as it is made. ``?lines=`` repeats it for a long one."""
    given = request.GET.get("lines", "1")
    lines = min(int(given), 100_000) if given.isdecimal() else 1

    def rows() -> Iterator[str]:
        yield "name,bytes\n"
        for path in files():
            for _ in range(lines):
                yield f"{path.name},{path.stat().st_size}\n"

    return StreamingHttpResponse(rows(), content_type="text/csv")


def broken(request: HttpRequest) -> HttpResponse:
    """A bug nobody handles: the client gets a 500."""
    return HttpResponse(1 / 0)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return render(request, "error.html", {"path": request.path}, status=404)
