"""The environments of the peers: one each in ``.venvs/``, with what PyPI has today, kept for the next time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.environment import ROOT, EnvironmentFailure, ensure

__all__ = ["ROOT", "EnvironmentFailure", "environ", "python_of", "versions"]

PROJECT: Final = "project"
REQUIREMENTS: Final[dict[str, list[str]]] = {
    "flask-exporter": ["gunicorn", "Flask", "prometheus-flask-exporter"],
    "django-prometheus": ["gunicorn", "Django", "django-prometheus"],
    "opentelemetry": [
        "gunicorn",
        "opentelemetry-sdk",
        "opentelemetry-instrumentation-wsgi",
        "opentelemetry-exporter-prometheus",
    ],
    "fastapi-instrumentator": ["gunicorn", "uvicorn-worker", "fastapi", "prometheus-fastapi-instrumentator"],
    "starlette-exporter": ["gunicorn", "uvicorn-worker", "starlette", "starlette_exporter"],
    # With Gunicorn 24 and newer its master fails at the first signal: it replaces the arbiter's queue by a list.
    "published": ["gunicorn-prometheus-exporter==0.2.4", "gunicorn==23.0.0"],
}
_IMPORT_ROOTS: Final = ("core", "contrib_flask", "contrib_django", "contrib_pyramid", "contrib_starlette")
_NOT_INHERITED: Final = ("PROMETHEUS_", "REDIS_", "GUNICORN_", "CLEANUP_DB_FILES", "SIDECAR_MODE", "PYTHON")


def python_of(environment: str) -> Path:
    """The Python of ``environment``; the project's own for `PROJECT`. Raises EnvironmentFailure."""
    if environment == PROJECT:
        return Path(sys.executable)
    base: str = getattr(sys, "_base_executable", sys.executable)
    directory = _directory(environment)
    directory.parent.mkdir(exist_ok=True)
    return ensure(directory, REQUIREMENTS[environment], interpreter=base)


def _directory(environment: str) -> Path:
    return ROOT / ".venvs" / f"bench-{environment}"


def environ(environment: str, directory: Path, **more: str) -> dict[str, str]:
    """The environment variables of a measured process that may keep metrics in ``directory``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    roots = [str(ROOT / root) for root in _IMPORT_ROOTS] if environment == PROJECT else []
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *roots]),
        # The order of sets and the collisions of dictionaries would differ from run to run.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(directory),
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
        "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
        "PROMETHEUS_METRICS_PORT": "9091",
        "GUNICORN_WORKERS": "1",
        **more,
    }


def versions(environment: str, names: list[str]) -> dict[str, str]:
    """The installed version of each of ``names`` that ``environment`` has; nothing is installed for that."""
    python = Path(sys.executable) if environment == PROJECT else _directory(environment) / "bin" / "python"
    if not python.exists():
        return {}
    code = (
        "import sys, importlib.metadata as m\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    command = [str(python), "-c", code, *names]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())
