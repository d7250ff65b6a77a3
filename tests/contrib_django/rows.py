"""What each thing that can happen in Django leaves in the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROJECT = "tests.contrib_django.project"


@dataclass(frozen=True)
class Row:
    """A request and what it yields. ``exceptions`` are (class, handled); ``status`` None: it escapes to the server.

    ``settings`` are those that the row needs besides the project's.
    """

    path: str
    status: int | None = 200
    endpoint: str = ""
    exceptions: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    settings: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    source: str = "django"


def failed(error_type: str) -> tuple[tuple[str, str], ...]:
    return ((error_type, "false"),)


def answered(error_type: str) -> tuple[tuple[str, str], ...]:
    return ((error_type, "true"),)


FAIL, FAIL_ASYNC = "/fail/<error>/", "/fail-async/<error>/"
BROKEN_404 = {"ROOT_URLCONF": f"{PROJECT}.failing_404_urls"}
BROKEN_500 = {"ROOT_URLCONF": f"{PROJECT}.failing_urls"}
FORM = {"content_type": "application/x-www-form-urlencoded"}

ROUTES = {
    "root": Row("/", endpoint="/"),
    "path": Row("/ok/", endpoint="/ok/"),
    "include": Row("/api/v1/items/7/", endpoint="/api/v1/items/<int:pk>/"),
    "include with a variable": Row("/api/acme/things/7/", endpoint="/api/<slug:tenant>/things/<int:pk>/"),
    "regex in a path": Row("/api/v1/items/by/1999/", endpoint="/api/v1/items/by/<year>/"),
    "unnamed groups in a path": Row("/api/v1/items/documents/1/x/y", endpoint="/api/v1/items/documents/<var>/<var>"),
    "path in a regex": Row("/old/a/7/", endpoint="/old/<kind>/<int:pk>/"),
    "regex in a regex": Row("/old/b/by/1999/", endpoint="/old/<kind>/by/<year>/"),
    "unnamed groups in a regex": Row("/old/b/documents/1/x", endpoint="/old/<kind>/documents/<var>/<var>"),
    "optional group": Row("/page-3.html", endpoint="/page-<number>.html"),
    "language": Row("/de/about/", endpoint="/de/about/"),
    "other language": Row("/en/about/", endpoint="/en/about/"),
    "own urlconf": Row(f"/other/x/?urlconf={PROJECT}.other_urls", endpoint="/other/<slug:name>/"),
    "not in own urlconf": Row(f"/ok/?urlconf={PROJECT}.other_urls", 404, "__unmatched__"),
    "405": Row("/only-get/", 405, "/only-get/", method="POST", settings={"MIDDLEWARE": []}),
    "no match": Row("/no/such/page/", 404, "__unmatched__"),
    "no match, debug": Row("/no/such/page/", 404, "__unmatched__", settings={"DEBUG": True}),
    "slash redirect": Row("/ok", 301, "__unmatched__"),
    "language redirect": Row("/about/", 302, "__unmatched__"),
    "invalid UTF-8": Row("/no/%ff/page", 404, "__unmatched__"),
    "short-circuit": Row("/ok/?short", 200, "__unrouted__"),
    "instead of the view": Row("/ok/?instead", 200, "/ok/"),
    "CSRF": Row("/ok/", 403, "/ok/", method="POST"),
    "redirect": Row("/away/", 302, "/away/"),
    "async view": Row("/async/", 200, "/async/"),
    "body": Row("/body/", 200, "/body/", method="POST", body=b"x=1", headers=FORM),
    "stream": Row("/stream/", 200, "/stream/"),
    "file": Row("/file/", 200, "/file/"),
}

ERRORS = {
    "exception": Row("/fail/ValueError/", 500, FAIL, failed("ValueError")),
    "exception, debug": Row("/fail/ValueError/", 500, FAIL, failed("ValueError"), settings={"DEBUG": True}),
    "ValidationError": Row("/fail/ValidationError/", 500, FAIL, failed("ValidationError")),
    "Http404": Row("/fail/Http404/", 404, FAIL, answered("Http404")),
    "Http404, debug": Row("/fail/Http404/", 404, FAIL, answered("Http404"), settings={"DEBUG": True}),
    "PermissionDenied": Row("/fail/PermissionDenied/", 403, FAIL, answered("PermissionDenied")),
    "SuspiciousOperation": Row("/fail/SuspiciousOperation/", 400, FAIL, answered("SuspiciousOperation")),
    "BadRequest": Row("/fail/BadRequest/", 400, FAIL, answered("BadRequest")),
    "too many fields": Row(
        "/fields/",
        400,
        "/fields/",
        answered("TooManyFieldsSent"),
        method="POST",
        body=b"&".join(b"%d=1" % number for number in range(9)),
        headers=FORM,
    ),
    "async exception": Row("/fail-async/ValueError/", 500, FAIL_ASYNC, failed("ValueError")),
    "async Http404": Row("/fail-async/Http404/", 404, FAIL_ASYNC, answered("Http404")),
    "no response": Row("/nothing/", 500, "/nothing/", failed("ValueError")),
    "rendering": Row("/unrenderable/", 500, "/unrenderable/", failed("TemplateDoesNotExist")),
    "caught by the view": Row("/caught/", 200, "/caught/"),
    "caught and raised": Row("/caught-and-raised/", 404, "/caught-and-raised/", answered("Http404")),
    "Resolver404 of a view": Row("/resolves/", 404, "/resolves/", answered("Resolver404")),
    "answered by a middleware": Row("/fail/Answered/", 409, FAIL, answered("Answered")),
    "middleware's answer fails": Row("/fail/Retold/", 500, FAIL, failed("Retold")),
    "middleware retells": Row("/fail/Retold/?gently", 404, FAIL, answered("Retold")),
    "middleware before the view": Row("/ok/?before=ValueError", 500, "__unrouted__", failed("ValueError")),
    "middleware after the view": Row("/ok/?after=ValueError", 500, "/ok/", failed("ValueError")),
    "middleware's process_view": Row("/ok/?view=ValueError", 500, "/ok/", failed("ValueError")),
    "Http404 before the view": Row("/ok/?before=Http404", 404, "__unrouted__", answered("Http404")),
    "Http404 after the view": Row("/ok/?after=Http404", 404, "/ok/", answered("Http404")),
    "PermissionDenied before the view": Row(
        "/ok/?before=PermissionDenied", 403, "__unrouted__", answered("PermissionDenied")
    ),
    "both": Row("/fail/Http404/?after=ValueError", 500, FAIL, (("Http404", "true"), ("ValueError", "false"))),
    "DisallowedHost": Row(
        "/ok/", 400, "__unrouted__", answered("DisallowedHost"), headers={"HTTP_HOST": "evil.example"}
    ),
    "handler404 fails for the router": Row(
        "/no/such/", 500, "__unmatched__", failed("LookupError"), settings=BROKEN_404
    ),
    "handler404 fails for a view": Row("/fail/Http404/", 500, FAIL, failed("Http404"), settings=BROKEN_404),
    "handler500 fails": Row("/fail/ValueError/", None, FAIL, failed("ValueError"), settings=BROKEN_500),
    "handlers fail": Row("/fail/Http404/", None, FAIL, failed("Http404"), settings=BROKEN_500),
    "propagated": Row(
        "/fail/ValueError/", None, FAIL, failed("ValueError"), settings={"DEBUG_PROPAGATE_EXCEPTIONS": True}
    ),
    "in the stream": Row("/stream-fails/", None, "/stream-fails/", failed("ValueError"), source="wsgi"),
    "SystemExit": Row("/fail/SystemExit/", None, FAIL, failed("SystemExit"), source="wsgi"),
}

REST = {
    "REST APIException": Row("/rest/fail/ValidationError/", 400, "/rest/fail/<error>/", answered("ValidationError")),
    "REST NotFound": Row("/rest/fail/NotFound/", 404, "/rest/fail/<error>/", answered("NotFound")),
    "REST Http404": Row("/rest/fail/Http404/", 404, "/rest/fail/<error>/", answered("Http404")),
    "REST PermissionDenied": Row(
        "/rest/fail/PermissionDenied/", 403, "/rest/fail/<error>/", answered("PermissionDenied")
    ),
    "REST unhandled": Row("/rest/fail/ValueError/", 500, "/rest/fail/<error>/", failed("ValueError")),
    "REST not authenticated": Row("/rest/private/", 403, "/rest/private/", answered("NotAuthenticated")),
    "REST 405": Row("/rest/refuses/", 405, "/rest/refuses/", method="POST"),
    "REST raised 405": Row("/rest/refuses/", 405, "/rest/refuses/", answered("MethodNotAllowed")),
    "REST own handler": Row("/rest/own-handler/", 422, "/rest/own-handler/", answered("ValueError")),
    "REST handler fails": Row("/rest/failing-handler/", 500, "/rest/failing-handler/", failed("ValueError")),
    "REST viewset": Row("/rest/books/", 200, "/rest/books/"),
    "REST viewset raises": Row("/rest/books/7/", 404, "/rest/books/<pk>/", answered("NotFound")),
    "REST viewset 405": Row("/rest/books/", 405, "/rest/books/", method="DELETE"),
    "REST parse error": Row(
        "/rest/echo/",
        400,
        "/rest/echo/",
        answered("ParseError"),
        method="POST",
        body=b"{",
        headers={"content_type": "application/json"},
    ),
}

ROWS = {**ROUTES, **ERRORS, **REST}
