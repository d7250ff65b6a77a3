"""Worker classes by name, each loaded only when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any, Final

MODULES: Final = {
    "PrometheusWorker": "sync",
    "PrometheusThreadWorker": "gthread",
    "PrometheusGeventWorker": "ggevent",
    "PrometheusEventletWorker": "geventlet",
    "PrometheusASGIWorker": "asgi",
    "PrometheusUvicornWorker": "uvicorn",
}

_ADVICE: Final = {
    "ggevent": "it needs gevent: pip install 'gunicorn-prometheus-exporter[gevent]'",
    "geventlet": (
        "Gunicorn 26 and newer have no eventlet worker: use PrometheusGeventWorker "
        "(pip install 'gunicorn-prometheus-exporter[gevent]') or stay on Gunicorn 25 with "
        "pip install 'gunicorn-prometheus-exporter[eventlet]'"
    ),
    "asgi": (
        "Gunicorn has an asgi worker from 25 on: pip install 'gunicorn>=25', or use PrometheusUvicornWorker "
        "(pip install 'gunicorn-prometheus-exporter[uvicorn]')"
    ),
    "uvicorn": "it needs uvicorn-worker: pip install 'gunicorn-prometheus-exporter[uvicorn]'",
}


def load_worker_class(name: str) -> Any:
    """The worker class ``name``. Raises RuntimeError, which Gunicorn prints as one message, if it cannot be loaded."""
    module = MODULES[name]
    try:
        return getattr(importlib.import_module(f"{__package__}.{module}"), name)
    except (ImportError, RuntimeError) as error:
        if module not in _ADVICE:
            raise
        raise RuntimeError(
            f"worker class gunicorn_prometheus_exporter.{name} cannot be loaded: {_ADVICE[module]} ({error})"
        ) from error
