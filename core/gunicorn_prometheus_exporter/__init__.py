"""Prometheus metrics for Gunicorn: ``worker_class = "gunicorn_prometheus_exporter.PrometheusWorker"``.

Importing this package only defines names. What costs something, or needs a library of its own, is loaded when it is
asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .settings import load_yaml_config

if TYPE_CHECKING:
    from .redis.processes import setup_redis_metrics, teardown_redis_metrics
    from .redis.storage_client import RedisStorageClient
    from .redis.storage_dict import RedisStorageDict, is_redis_enabled
    from .registry import registry
    from .storage.dicts import StorageDictProtocol
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
    "RedisStorageClient",
    "RedisStorageDict",
    "StorageDictProtocol",
    "is_redis_enabled",
    "load_yaml_config",
    "registry",
    "setup_redis_metrics",
    "teardown_redis_metrics",
]


_ELSEWHERE = {
    "RedisStorageClient": "redis.storage_client",
    "RedisStorageDict": "redis.storage_dict",
    "StorageDictProtocol": "storage.dicts",
    "is_redis_enabled": "redis.storage_dict",
    "registry": "registry",
    "setup_redis_metrics": "redis.processes",
    "teardown_redis_metrics": "redis.processes",
}


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f".{_ELSEWHERE[name]}", __name__), name)
    from .workers.loading import MODULES, load_worker_class

    if name in MODULES:
        return load_worker_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
