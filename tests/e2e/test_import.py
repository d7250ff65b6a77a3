"""A process that only imports the package: nothing is different from before, but for the names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ASGI_AVAILABLE, AVAILABLE
from tests.e2e.harness import IMPORT_ROOTS, ROOT

PACKAGE = ROOT / "core" / "gunicorn_prometheus_exporter"
# The modules that need a library of their own, which is imported first.
ASYNC = {
    "gevent": ["gevent.monkey", "gunicorn_prometheus_exporter.workers.ggevent"],
    "eventlet": ["eventlet", "gunicorn_prometheus_exporter.workers.geventlet"],
    "asgi": ["gunicorn.workers.gasgi", "gunicorn_prometheus_exporter.workers.asgi"],
    "uvicorn": ["uvicorn_worker", "gunicorn_prometheus_exporter.workers.uvicorn"],
}

# Gunicorn's and prometheus_client's modules come first, and asyncio, which has a logger: what they do is theirs.
PROGRAM = """
import asyncio, importlib, json, logging, os, select, socket, sys, threading, time
import gunicorn.app.wsgiapp, gunicorn.arbiter, gunicorn.glogging, gunicorn.workers.sync, gunicorn.workers.gthread
import gunicorn.http.wsgi, gunicorn.http.body, gunicorn.config, gunicorn.sock, gunicorn.util
import prometheus_client, prometheus_client.values, prometheus_client.multiprocess, psutil, yaml

importlib.import_module(sys.argv[1])

def state():
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in sorted(logging.root.manager.loggerDict))]
    classes = {
        (module.__name__, name): {key: id(value) for key, value in vars(cls).items()}
        for module in list(sys.modules.values())
        if module is not None and getattr(module, "__name__", "").split(".")[0] in ("gunicorn", "prometheus_client")
        for name, cls in list(vars(module).items())
        if isinstance(cls, type)
    }
    return {
        "handlers": sum(len(logger.handlers) for logger in loggers),
        "levels": [logger.level for logger in loggers if not logger.name.startswith("gunicorn_prometheus")],
        "environment": dict(os.environ),
        "threads": [thread.name for thread in threading.enumerate()],
        "descriptors": len(os.listdir("/proc/self/fd")),
        "files": sorted(os.listdir(".")),
        "value class": id(prometheus_client.values.ValueClass),
        "patched": [each.__module__ for each in (socket.socket, time.sleep, threading.Lock, select.select)],
        "registry": sorted(map(str, prometheus_client.REGISTRY._names_to_collectors)),
        "classes": classes,
        "path": list(sys.path),
    }

for name in sys.argv[2:]:
    before = state()
    importlib.import_module(name)
    after = state()
    changed = [key for key in before if key != "classes" and before[key] != after[key]]
    # New modules of Gunicorn may have come in; those there were are untouched.
    known, now = before["classes"], after["classes"]
    print(json.dumps([name, changed, [str(key) for key, value in known.items() if now[key] != value]]))
"""


def modules() -> list[str]:
    """Every module of the core but those of `ASYNC`, the package itself first."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("*.py"))]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    own = {name for names in ASYNC.values() for name in names}
    return [name for name in names if name not in own]


def changes(directory: Path, *names: str) -> list[object]:
    """What importing each of ``names``, after the first, changed in a new process: only what is not nothing."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(found) == len(names) - 1
    return [each for each in found if each[1] or each[2]]


def test_import_only_defines_names(tmp_path: Path) -> None:
    """No logging handler, environment variable, thread, file or metric; no class of Gunicorn's is touched."""
    assert changes(tmp_path, "gunicorn", *modules()) == []


@pytest.mark.matrix
@pytest.mark.parametrize("library", [name for name in ASYNC if name in (*AVAILABLE, *ASGI_AVAILABLE)])
def test_async_worker_classes(tmp_path: Path, library: str) -> None:
    """The same for those that bring a library, which patches nothing before there is a worker."""
    assert changes(tmp_path, *ASYNC[library]) == []


def test_worker_classes_by_name(tmp_path: Path) -> None:
    """Taking a worker class from the package is an import too."""
    program = PROGRAM.replace("importlib.import_module(name)", "getattr(gunicorn_prometheus_exporter, name)")
    program = program.replace("import prometheus_client,", "import gunicorn_prometheus_exporter, prometheus_client,")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
    said = subprocess.check_output(
        [sys.executable, "-c", program, "gunicorn", "PrometheusWorker", "PrometheusThreadWorker"],
        cwd=tmp_path,
        env=environment,
        text=True,
    )
    assert [json.loads(line)[1:] for line in said.splitlines()] == [[[], []], [[], []]]
