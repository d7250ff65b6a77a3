"""What each thing that can happen in Pyramid leaves in the metrics. The application is ``site.py``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A request and what it yields. ``exceptions`` are (class, handled, source)."""

    path: str
    status: int = 200
    endpoint: str = ""
    exceptions: tuple[tuple[str, str, str], ...] = ()
    method: str = "GET"


def failed(error_type: str, source: str = "pyramid") -> tuple[tuple[str, str, str], ...]:
    return ((error_type, "false", source),)


def answered(error_type: str) -> tuple[tuple[str, str, str], ...]:
    return ((error_type, "true", "pyramid"),)


FAIL = "/fail/{error}"
UNMATCHED = "__unmatched__"
UNROUTED = "__unrouted__"

ROUTES = {
    "root": Row("/", endpoint="/"),
    "route": Row("/items/7", endpoint="/items/{id}"),
    "regex with braces": Row("/years/1999/a/b", endpoint="/years/{year}/{rest}"),
    "placeholder of the old kind": Row("/old/x/end", endpoint="/old/{name}/end"),
    "route_prefix": Row("/api/v1/inc/3", endpoint="/api/v1/inc/{y}"),
    "static view": Row("/static/site.py", endpoint="/static/*subpath"),
    "static view, no such file": Row("/static/none.css", 404, "/static/*subpath", answered("HTTPNotFound")),
    "no route": Row("/attack-123", 404, UNMATCHED),
    "route's regex": Row("/items/x", 404, UNMATCHED),
    "route predicate fails": Row("/picky", 404, UNMATCHED),
    "view predicate fails": Row("/only-post", 404, "/only-post"),
    "predicates of all views fail": Row("/choosy", 404, "/choosy"),
    "one of several views": Row("/choosy?b=1", endpoint="/choosy"),
    "other method": Row("/only-post", endpoint="/only-post", method="POST"),
    "route without a view": Row("/viewless", 404, "/viewless"),
    "invalid UTF-8": Row("/%ff", 500, UNMATCHED, failed("URLDecodeError")),
    "a tween answers": Row("/items/7?short", endpoint=UNROUTED),
}

TRAVERSAL = {
    "view of a context": Row("/folder/edit", endpoint="/Folder#edit"),
    "of a subclass": Row("/special/edit", endpoint="/Folder#edit"),
    "of an interface": Row("/document/read", endpoint="/IDocument#read"),
    "of any context": Row("/document/any", endpoint="/*traverse#any"),
    "default view": Row("/folder/", endpoint="/Folder"),
    "a view made of others": Row("/folder/parts", endpoint="/Folder#parts"),
    "a subrequest before the view": Row("/folder/edit?prefetch", endpoint="/Folder#edit"),
    "hybrid, a subrequest before the view": Row("/hyb/3/folder/edit?prefetch", endpoint="/hyb/{x}/Folder#edit"),
    "no such view": Row("/folder/attack-123", 404, UNMATCHED),
    "traversal, predicate fails": Row("/folder/choosy", 404, UNMATCHED),
    "traversal, forbidden": Row("/folder/secret", 403, "/Folder#secret", answered("HTTPForbidden")),
    "traversal, handled": Row("/folder/fail?error=Sorry", 400, "/Folder#fail", answered("Sorry")),
    "traversal, unhandled": Row("/folder/fail?error=TypeError", 500, "/Folder#fail", failed("TypeError")),
    "a resource raises": Row("/broken/edit", 500, UNMATCHED, failed("TypeError")),
    "hybrid": Row("/hyb/3/folder/edit", endpoint="/hyb/{x}/Folder#edit"),
    "hybrid, default view": Row("/hyb/3/document", endpoint="/hyb/{x}/Document"),
    "hybrid, any context": Row("/hyb/3/document/any", endpoint="/hyb/{x}/*traverse#any"),
    "hybrid, no such view": Row("/hyb/3/attack-123", 404, "/hyb/{x}/*traverse"),
    "hybrid, forbidden": Row("/hyb/3/folder/secret", 403, "/hyb/{x}/Folder#secret", answered("HTTPForbidden")),
    "hybrid, a resource raises": Row("/hyb/3/broken", 500, "/hyb/{x}/*traverse", failed("TypeError")),
}

ERRORS = {
    "raised 403": Row("/fail/HTTPForbidden", 403, FAIL, answered("HTTPForbidden")),
    "returned 403": Row("/return/HTTPForbidden", 403, "/return/{error}"),
    "raised 404": Row("/fail/HTTPNotFound", 404, FAIL, answered("HTTPNotFound")),
    "raised 500": Row("/fail/HTTPInternalServerError", 500, FAIL, answered("HTTPInternalServerError")),
    "raised redirect": Row("/fail/HTTPFound", 302, FAIL),
    "returned redirect": Row("/return/HTTPFound", 302, "/return/{error}"),
    "permission denied": Row("/private", 403, "/private", answered("HTTPForbidden")),
    "CSRF": Row("/csrf", 400, "/csrf", answered("BadCSRFToken"), method="POST"),
    "exception view": Row("/fail/Sorry", 400, FAIL, answered("Sorry")),
    "exception view says 500": Row("/fail/Sorry?status=500", 500, FAIL, answered("Sorry")),
    "exception view fails": Row("/fail/Unlucky", 500, FAIL, failed("Unlucky")),
    "exception view raises an HTTP exception": Row("/fail/Refusing", 500, FAIL, failed("Refusing")),
    "exception view's predicate fails": Row("/fail/Deferring", 500, FAIL, failed("Deferring")),
    "exception view called by a view": Row("/by-hand", 400, "/by-hand", answered("Sorry")),
    "unhandled": Row("/fail/TypeError", 500, FAIL, failed("TypeError")),
    "no response": Row("/nothing", 500, "/nothing", failed("ValueError")),
    "renderer": Row("/unrenderable", 500, "/unrenderable", failed("TypeError")),
    "root factory": Row("/fail/Sorry?bad-root", 500, FAIL, failed("TypeError")),
    "root factory of another kind": Row("/wrong-factory", 500, "/wrong-factory", failed("TypeError")),
    "NewRequest, handled": Row("/items/7?NewRequest=Sorry", 400, UNROUTED, answered("Sorry")),
    "NewRequest, unhandled": Row("/items/7?NewRequest=TypeError", 500, UNROUTED, failed("TypeError")),
    "response callback": Row("/failing-callback", 500, "/failing-callback", failed("KeyError", "wsgi")),
    "NewResponse": Row("/items/7?NewResponse=TypeError", 500, "/items/{id}", failed("TypeError", "wsgi")),
    "exception view, then response callback": Row(
        "/failing-callback?after=Sorry", 500, "/failing-callback", (*answered("Sorry"), *failed("KeyError", "wsgi"))
    ),
}

TWEENS = {
    "under EXCVIEW, handled": Row("/items/7?under=CommitFailed", 503, "/items/{id}", answered("CommitFailed")),
    "under EXCVIEW, HTTP exception": Row("/items/7?under=HTTPForbidden", 403, "/items/{id}", answered("HTTPForbidden")),
    "under EXCVIEW, unhandled": Row("/items/7?under=TypeError", 500, "/items/{id}", failed("TypeError", "wsgi")),
    "under EXCVIEW, translates": Row("/fail/TypeError?translate", 500, FAIL, answered("TypeError")),
    "over EXCVIEW": Row("/items/7?over=TypeError", 500, UNROUTED, failed("TypeError", "wsgi")),
    "over EXCVIEW, HTTP exception": Row("/items/7?over=HTTPForbidden", 500, UNROUTED, failed("HTTPForbidden", "wsgi")),
    "over EXCVIEW, commits": Row("/items/7?commit=CommitFailed", 503, "/items/{id}", answered("CommitFailed")),
    "over EXCVIEW, cannot commit": Row("/items/7?commit=TypeError", 500, "/items/{id}", failed("TypeError", "wsgi")),
    "swallows, as its own": Row("/fail/TypeError?swallow=500&toolbar", 500, FAIL, answered("TypeError")),
    "swallows, with a debugger": Row("/fail/TypeError?swallow=500", 500, FAIL, failed("TypeError")),
    "swallows, with an answer": Row("/fail/TypeError?swallow=409", 409, FAIL, answered("TypeError")),
    "swallows a failed exception view": Row("/fail/Unlucky?swallow=500", 500, FAIL, failed("Unlucky")),
}

SUBREQUESTS = {
    "subrequest": Row("/subrequest?path=/items/7", endpoint="/subrequest"),
    "with tweens": Row("/subrequest?path=/items/7&tweens", endpoint="/subrequest"),
    "with a copied environ": Row("/subrequest?path=/items/7&copy", endpoint="/subrequest"),
    "with both": Row("/subrequest?path=/items/7&copy&tweens", endpoint="/subrequest"),
    "by traversal": Row("/subrequest?path=/folder/edit&copy", endpoint="/subrequest"),
    "nowhere": Row("/subrequest?path=/nowhere", 404, "/subrequest", answered("HTTPNotFound")),
    "nowhere, with tweens": Row("/subrequest?path=/nowhere&tweens", 404, "/subrequest"),
    "no view": Row("/subrequest?path=/choosy", 404, "/subrequest", answered("PredicateMismatch")),
    "raises, answered outside": Row("/subrequest?path=/fail/Sorry", 400, "/subrequest", answered("Sorry")),
    "raises, answered inside": Row("/subrequest?path=/fail/Sorry&tweens", 400, "/subrequest", answered("Sorry")),
    "raises, copied, answered inside": Row(
        "/subrequest?path=/fail/Sorry&tweens&copy", 400, "/subrequest", answered("Sorry")
    ),
    "raises, unanswered": Row("/subrequest?path=/fail/TypeError&tweens", 500, "/subrequest", failed("TypeError")),
    "raises, caught by the view": Row(
        "/subrequest?path=/fail/TypeError&tweens&copy&catch", 200, "/subrequest", answered("TypeError")
    ),
    "raises, a tween inside answers": Row(
        "/subrequest?path=/fail/TypeError?swallow=409&tweens", 409, "/subrequest", answered("TypeError")
    ),
    "raises, a tween inside swallows": Row(
        "/subrequest?path=/fail/TypeError?swallow=500&tweens", 500, "/subrequest", failed("TypeError")
    ),
    "exception view called by a view inside": Row("/subrequest?path=/by-hand", 400, "/subrequest", answered("Sorry")),
    "invalid UTF-8 inside": Row("/subrequest?path=/%25ff&tweens", 500, "/subrequest", failed("URLDecodeError")),
}

MOUNTS = {
    "mounted": Row("/mount/page/7", endpoint="/mount/page/{id}"),
    "mounted below a placeholder": Row("/deep/acme/app/page/7", endpoint="/deep/{tenant}/app/page/{id}"),
    "mounted, no route": Row("/mount/attack-123", 404, UNMATCHED),
    "mounted, handled inside": Row("/mount/fail/Sorry", 400, "/mount/fail/{error}", answered("Sorry")),
    "mounted, handled outside": Row("/mount/fail/CommitFailed", 503, "/mount/fail/{error}", answered("CommitFailed")),
    "mounted, unhandled": Row("/mount/fail/TypeError", 500, "/mount/fail/{error}", failed("TypeError")),
    "mounted, no framework": Row("/plain/x", endpoint="/plain*subpath"),
    "mounted with its whole path": Row("/page/7", endpoint="/page/{id}"),
}

ROWS = {**ROUTES, **TRAVERSAL, **ERRORS, **TWEENS, **SUBREQUESTS, **MOUNTS}
