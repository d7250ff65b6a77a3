"""A virtual environment that holds this project: made when it is missing or stale, otherwise left alone.

``python scripts/environment.py .venv ".[dev]"`` installs the project editable. A stamp file in the environment says
what it was made from; while that is unchanged nothing is run, so the second time needs no network.
Uses the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 10)


class EnvironmentFailure(Exception):
    """The environment cannot be made; the message says what the reader can do about it."""


def stamp_of(interpreter: str, requirements: list[str]) -> str:
    """What an environment depends on: the interpreter, the requirements, where the checkout lies.

    And pyproject.toml, if this project is among the requirements.
    """
    holds_project = "--editable" in requirements
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest() if holds_project else "-"
    return "\n".join([interpreter, str(ROOT), project, *requirements]) + "\n"


def ensure(directory: Path, requirements: list[str], *, interpreter: str = sys.executable) -> Path:
    """Return the Python of an environment in ``directory`` with ``requirements``, pip arguments relative to the root.

    Raises EnvironmentFailure where the environment or its packages cannot be had.
    """
    python = directory / "bin" / "python"
    stamp_file = directory / "installed-from.txt"
    stamp = stamp_of(interpreter, requirements)
    if python.exists() and stamp_file.exists() and stamp_file.read_text() == stamp:
        return python
    _make(directory, interpreter)
    _install(python, requirements)
    stamp_file.write_text(stamp)
    return python


def _make(directory: Path, interpreter: str) -> None:
    # Debian and Ubuntu ship a python3 whose venv module is there but cannot put pip into what it makes.
    if subprocess.run([interpreter, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode:
        raise EnvironmentFailure(
            f"{interpreter} cannot make a virtual environment: its venv or ensurepip module is missing.\n"
            "On Debian and Ubuntu the package python3-venv brings them (sudo apt-get install python3-venv);\n"
            "or name another Python, 3.10 or newer: make PYTHON=/path/to/python3"
        )
    shutil.rmtree(directory, ignore_errors=True)
    made = subprocess.run([interpreter, "-m", "venv", str(directory)], capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(directory, ignore_errors=True)
        raise EnvironmentFailure(f"{interpreter} -m venv {directory} failed:\n{made.stdout}{made.stderr}")


def _install(python: Path, requirements: list[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    installed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if installed.returncode:
        output = installed.stdout.decode(errors="replace")
        raise EnvironmentFailure(f"pip could not install {' '.join(requirements)}:\n{output}")


def main(arguments: list[str]) -> int:
    """Make the environment named first, with the project and the extras named second (".[dev]")."""
    if sys.version_info < MINIMUM:
        print(f"Python 3.10 or newer is needed; {sys.executable} is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    directory, project = Path(arguments[0]).absolute(), arguments[1]
    # The interpreter below this one: from an activated environment, make would otherwise remake .venv with itself.
    interpreter: str = getattr(sys, "_base_executable", sys.executable)
    try:
        ensure(directory, ["--editable", project], interpreter=interpreter)
    except EnvironmentFailure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
