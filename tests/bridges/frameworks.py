"""The frameworks that keep the bridge contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.bridges.contract import Framework
from tests.e2e.conftest import ASGI_AVAILABLE, GUNICORN_MAJOR

HERE = Path(__file__).parent

FLASK = Framework(
    name="flask",
    site=HERE / "flask_site.py",
    templates={"items": "/items/<int:number>"},
    refusal="Forbidden",
)

DJANGO = Framework(
    name="django",
    site=HERE / "django_site.py",
    templates={"items": "/items/<int:number>"},
    refusal="PermissionDenied",
    # Django goes by Content-Length: it never reads a chunked body. It hands a file over for HEAD too, and Gunicorn
    # before 26 sends it, which no client can take for a body.
    lacks=frozenset({"upload_chunked"} if GUNICORN_MAJOR >= 26 else {"upload_chunked", "download_head"}),
)

PYRAMID = Framework(
    name="pyramid",
    site=HERE / "pyramid_site.py",
    templates={"items": "/items/{number}"},
    refusal="HTTPForbidden",
    # To Pyramid a method is a predicate of the view like any other.
    wrong_method=404,
    # WebOb raises an error for a body that ends early, and nothing in Pyramid answers it.
    cut_upload=499,
    reset_upload=499,
)

# Gunicorn 25's asgi worker answers no "Expect: 100-continue", HEAD with a body, and tells an application that streams
# that its client is gone as soon as the request is read.
_ASGI_LACKS = frozenset({"upload_reset", "download_head", "stream"}) if GUNICORN_MAJOR == 25 else frozenset[str]()

STARLETTE = Framework(
    name="starlette",
    site=HERE / "starlette_site.py",
    templates={"items": "/items/{number}", "rooms": "/rooms/{name}"},
    refusal="HTTPException",
    # The worker knows that there is nobody to get the answer.
    cut_upload=499,
    reset_upload=499,
    lacks=_ASGI_LACKS,
    worker_classes=tuple(ASGI_AVAILABLE),
    stream_source="starlette",
    has_websockets=True,
)

FASTAPI = replace(STARLETTE, name="fastapi", site=HERE / "fastapi_site.py", stream_source="fastapi")

FRAMEWORKS = [FLASK, DJANGO, PYRAMID, STARLETTE, FASTAPI]
