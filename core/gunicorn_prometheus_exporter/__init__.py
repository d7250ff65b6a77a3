"""Prometheus metrics for Gunicorn: ``worker_class = "gunicorn_prometheus_exporter.PrometheusWorker"``.

Importing this package only defines names. What costs something, or needs a library of its own, is loaded when it is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .settings import load_yaml_config

if TYPE_CHECKING:
    from .registry import registry
    from .workers.asgi import PrometheusASGIWorker
    from .workers.geventlet import PrometheusEventletWorker
    from .workers.ggevent import PrometheusGeventWorker
    from .workers.gthread import PrometheusThreadWorker
    from .workers.sync import PrometheusWorker
    from .workers.uvicorn import PrometheusUvicornWorker

__all__ = [
    "PrometheusASGIWorker",
    "PrometheusEventletWorker",
    "PrometheusGeventWorker",
    "PrometheusThreadWorker",
    "PrometheusUvicornWorker",
    "PrometheusWorker",
    "load_yaml_config",
    "registry",
]


def __getattr__(name: str) -> Any:
    if name == "registry":
        from .registry import registry

        return registry
    from .workers.loading import MODULES, load_worker_class

    if name in MODULES:
        return load_worker_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
