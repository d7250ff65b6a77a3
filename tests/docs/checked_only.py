"""Commands that a page shows and the tests do not run: they fetch, need a cluster, or would run the tests again.

Each is checked against this checkout instead.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent.parent


def check_pip(arguments: list[str]) -> None:
    """What is installed is this project, with extras it has, or one of its dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    known = {canonicalize_name(Requirement(line).name) for line in declared}
    assert arguments[0] == "install", f"pip {arguments[0]} is not something the tests can check"
    for argument in arguments[1:]:
        if argument.startswith("-"):
            continue
        wanted = Requirement(re.sub(r"^\.(?=\[|$)", project["name"], argument))
        if canonicalize_name(wanted.name) == project["name"]:
            assert wanted.extras <= set(extras), f"no such extra: {sorted(wanted.extras - set(extras))}"
        else:
            assert canonicalize_name(wanted.name) in known, f"{wanted.name} is no dependency of this project"


def check_make(arguments: list[str]) -> None:
    """Every target is in the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for argument in arguments:
        assert "=" in argument or argument.startswith("-") or argument in targets, f"no make target {argument}"


def check_paths(arguments: list[str]) -> None:
    """Every argument that names something below a directory of this checkout names something that is there."""
    for given in arguments:
        # --file=deploy/x.yaml
        argument = given.partition("=")[2] if given.startswith("-") else given
        top = argument.split("/")[0]
        if "/" in argument and top and (ROOT / top).is_dir():
            assert (ROOT / argument).exists(), f"{argument} is not in this checkout"


CHECKS = {
    "pip": check_pip,
    "make": check_make,
    "docker": check_paths,
    "kubectl": check_paths,
    "helm": check_paths,
    "terraform": check_paths,
    "gcloud": check_paths,
    "az": check_paths,
    "ansible-playbook": check_paths,
    "git": check_paths,
    "cd": check_paths,
}


def check(command: str) -> bool:
    """Check a command that is not to be run; return False for one that is. Raises AssertionError."""
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    if words[:3] == ["python", "-m", "pip"]:
        words = words[2:]
    if not words or words[0] not in CHECKS:
        return False
    CHECKS[words[0]](words[1:])
    return True
