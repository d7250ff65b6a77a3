"""The frameworks that keep the bridge contract."""

from __future__ import annotations

from pathlib import Path

from tests.bridges.contract import Framework
from tests.e2e.conftest import GUNICORN_MAJOR

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

FRAMEWORKS = [FLASK, DJANGO, PYRAMID]
