"""Who publishes: the name of this instance, and what the index says about it."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version

from ..settings import Settings
from .layout import SourceInfo


def instance_name(settings: Settings) -> str:
    """The name of this instance, which lasts longer than its processes: the pod's, or else the host's."""
    return settings.redis_instance_id or os.environ.get("POD_NAME") or platform.node() or "localhost"


def source_info(settings: Settings) -> SourceInfo:
    """What the index says about a source of this process."""
    try:
        own_version = version("gunicorn-prometheus-exporter")
    except PackageNotFoundError:
        own_version = "unknown"
    return SourceInfo(settings.node_name or "", platform.node(), time.time(), own_version)
