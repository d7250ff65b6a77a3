"""On what, with what and when a run was made."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from .environments import PROJECT, REQUIREMENTS, ROOT, versions

_NAMED: Final = (
    "gunicorn",
    "prometheus_client",
    "Flask",
    "Django",
    "pyramid",
    "prometheus-flask-exporter",
    "django-prometheus",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-wsgi",
    "uvicorn",
    "uvicorn-worker",
    "starlette",
    "fastapi",
    "starlette_exporter",
    "prometheus-fastapi-instrumentator",
    "gunicorn-prometheus-exporter",
)


def machine() -> dict[str, str]:
    """Machine, system, Python, commit and date, as a person would want to read them."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {' '.join(platform.libc_ver())}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "commit": _commit(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        **_packages(),
    }


def cores() -> tuple[set[int], set[int]]:
    """The cores for servers and for the load. They are the same, all there are, where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    half = max(len(available) // 2, 1)
    return set(available[:half]), set(available[half:] or available)


@contextmanager
def pinned(to: Collection[int]) -> Iterator[None]:
    """This thread, and the processes that it starts meanwhile and for as long as they live, run on the cores ``to``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for environment in (PROJECT, *REQUIREMENTS):
        named = versions(environment, list(_NAMED))
        if named:
            found[f"packages ({environment})"] = ", ".join(f"{name} {version}" for name, version in named.items())
    return found
