"""Who is compared: each exporter with the application it is measured on, and the same application alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from .environments import PROJECT

_OURS: Final = "gunicorn_prometheus_exporter"
OURS_SYNC: Final = f"{_OURS}.PrometheusWorker"
OURS_THREADED: Final = f"{_OURS}.PrometheusThreadWorker"


@dataclass(frozen=True)
class Variant:
    """A Gunicorn to measure. ``against`` is the name of the one that it adds a cost to, "" for those themselves.

    ``settings`` are Gunicorn's, ``environ`` is added to the environment of the process, ``environment`` is where its
    packages are (see `environments`), ``conf`` is more text for gunicorn.conf.py, ``path`` is what
    is asked for, and with ``redis`` the process gets a Redis to publish to.
    """

    name: str
    target: str
    against: str = ""
    environment: str = PROJECT
    worker_class: str = "sync"
    settings: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    statsd: bool = False
    conf: str = ""
    path: str = "/users/7"
    redis: bool = False


def _plain(name: str, against: str = "Gunicorn", **options: Any) -> Variant:
    return Variant(name, options.pop("target", "bench.apps.plain:bare()"), against, **options)


# As its documentation has it: the master's part comes with the hooks.
_PUBLISHED_CONF: Final = """\
from gunicorn_prometheus_exporter.hooks import default_on_exit as on_exit
from gunicorn_prometheus_exporter.hooks import default_on_starting as on_starting
from gunicorn_prometheus_exporter.hooks import default_post_fork as post_fork
from gunicorn_prometheus_exporter.hooks import default_when_ready as when_ready
from gunicorn_prometheus_exporter.hooks import default_worker_int as worker_int
"""

# Names that targets refer to.
CONTROL: Final = "Gunicorn again (control)"
FLOOR: Final = "the floor"
OURS: Final = "this exporter"
OURS_REDIS: Final = "this exporter, Redis mode"
STATSD: Final = "Gunicorn's statsd"
CLIENT: Final = "prometheus_client, multiprocess"
OPENTELEMETRY: Final = "OpenTelemetry WSGI"
PUBLISHED: Final = "gunicorn-prometheus-exporter 0.2.4"
FLASK_EXPORTER: Final = "prometheus-flask-exporter"
DJANGO_PROMETHEUS: Final = "django-prometheus"
OURS_FLASK: Final = "this exporter, Flask bridge"
OURS_DJANGO: Final = "this exporter, Django bridge"
OURS_PYRAMID: Final = "this exporter, Pyramid bridge"
OURS_GTHREAD: Final = "this exporter, gthread"
OURS_ASGI: Final = "this exporter, Starlette, asgi worker"
OURS_STARLETTE: Final = "this exporter, Starlette, uvicorn worker"
OURS_FASTAPI: Final = "this exporter, FastAPI, uvicorn worker"
STARLETTE_EXPORTER: Final = "starlette_exporter"
INSTRUMENTATOR: Final = "prometheus-fastapi-instrumentator"
FLOOR_GTHREAD: Final = "the floor, gthread"

PLAIN: Final = (
    _plain("Gunicorn", ""),
    _plain(CONTROL),
    _plain(FLOOR, worker_class="bench.floor.FloorWorker"),
    _plain(OURS, worker_class=OURS_SYNC),
    _plain(OURS_REDIS, worker_class=OURS_SYNC, redis=True),
    _plain(STATSD, statsd=True),
    _plain(CLIENT, target="bench.apps.plain:prometheus_client()"),
    _plain("Gunicorn (for OpenTelemetry)", "", environment="opentelemetry"),
    _plain(
        OPENTELEMETRY,
        "Gunicorn (for OpenTelemetry)",
        target="bench.apps.plain:opentelemetry()",
        environment="opentelemetry",
    ),
    _plain("Gunicorn 23.0", "", environment="published"),
    _plain(PUBLISHED, "Gunicorn 23.0", worker_class=OURS_SYNC, environment="published", conf=_PUBLISHED_CONF),
)
FRAMEWORKS: Final = (
    _plain("Flask", "", target="bench.apps.flask_site:bare()"),
    _plain(OURS_FLASK, "Flask", target="bench.apps.flask_site:bridged()", worker_class=OURS_SYNC),
    _plain(
        "Flask (for prometheus-flask-exporter)",
        "",
        target="bench.apps.flask_site:bare()",
        environment="flask-exporter",
    ),
    _plain(
        FLASK_EXPORTER,
        "Flask (for prometheus-flask-exporter)",
        target="bench.apps.flask_site:flask_exporter()",
        environment="flask-exporter",
    ),
    _plain("Django", "", target="bench.apps.django_site:bare()"),
    _plain(OURS_DJANGO, "Django", target="bench.apps.django_site:bridged()", worker_class=OURS_SYNC),
    _plain(
        "Django (for django-prometheus)",
        "",
        target="bench.apps.django_site:bare()",
        environment="django-prometheus",
    ),
    _plain(
        DJANGO_PROMETHEUS,
        "Django (for django-prometheus)",
        target="bench.apps.django_site:django_prometheus()",
        environment="django-prometheus",
    ),
    _plain("Pyramid", "", target="bench.apps.pyramid_site:bare()"),
    _plain(OURS_PYRAMID, "Pyramid", target="bench.apps.pyramid_site:bridged()", worker_class=OURS_SYNC),
)
_THREADS: Final = {"threads": 16, "keepalive": 30}
THREADED: Final = (
    _plain("Gunicorn gthread", "", worker_class="gthread", settings=_THREADS),
    _plain(FLOOR_GTHREAD, "Gunicorn gthread", worker_class="bench.floor.FloorThreadWorker", settings=_THREADS),
    _plain(OURS_GTHREAD, "Gunicorn gthread", worker_class=OURS_THREADED, settings=_THREADS),
)
_STARLETTE: Final = {"target": "bench.apps.starlette_site:starlette()"}
_FASTAPI: Final = {"target": "bench.apps.starlette_site:fastapi()"}
_UVICORN: Final = {"worker_class": "uvicorn_worker.UvicornWorker"}
ASYNC: Final = (
    _plain("Starlette, asgi worker", "", worker_class="asgi", **_STARLETTE),
    _plain(OURS_ASGI, "Starlette, asgi worker", worker_class=f"{_OURS}.PrometheusASGIWorker", **_STARLETTE),
    _plain("Starlette, uvicorn worker", "", **_UVICORN, **_STARLETTE),
    _plain(OURS_STARLETTE, "Starlette, uvicorn worker", worker_class=f"{_OURS}.PrometheusUvicornWorker", **_STARLETTE),
    _plain("FastAPI, uvicorn worker", "", **_UVICORN, **_FASTAPI),
    _plain(OURS_FASTAPI, "FastAPI, uvicorn worker", worker_class=f"{_OURS}.PrometheusUvicornWorker", **_FASTAPI),
    _plain("Starlette (for starlette_exporter)", "", environment="starlette-exporter", **_UVICORN, **_STARLETTE),
    _plain(
        STARLETTE_EXPORTER,
        "Starlette (for starlette_exporter)",
        environment="starlette-exporter",
        target="bench.apps.starlette_site:starlette_exporter()",
        **_UVICORN,
    ),
    _plain("FastAPI (for the instrumentator)", "", environment="fastapi-instrumentator", **_UVICORN, **_FASTAPI),
    _plain(
        INSTRUMENTATOR,
        "FastAPI (for the instrumentator)",
        environment="fastapi-instrumentator",
        target="bench.apps.starlette_site:instrumentator()",
        **_UVICORN,
    ),
)
ALL: Final = (*PLAIN, *FRAMEWORKS, *THREADED, *ASYNC)
