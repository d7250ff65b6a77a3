"""Does what a Dockerfile says without an engine: each stage is a root directory, each step a process in it.

`Build` takes the instructions one after the other. ``RUN``, and later the container's command, happen in mount and
process namespaces of their own, with the stage's directory as root. A stage's base image is this machine's system and
Python, mounted read-only. So the steps, the paths, the owners and the environment are the Dockerfile's; the base
image, the capabilities and the limits of a container are not tried.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# What a base image brings. The Python is the one that runs the tests.
_SYSTEM = ("/usr", sys.base_prefix)
_LINKS = ("bin", "sbin", "lib", "lib64")
_PATH = "/base/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Stage:
    """A root directory, and what a container of it would be started with."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    directory: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def inside(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        mounts: Mapping[str, Path] | None = None,
        writable: bool = False,
    ) -> tuple[list[str], dict[str, str]]:
        """The command line and environment that run ``command`` in this root, for subprocess.

        ``mounts`` are directories of this machine by their place in the root, read-only if the place ends in ``:ro``.
        """
        root = str(self.root)
        script = ["set -e", f"mount --rbind {shlex.quote(root)} {shlex.quote(root)}"]
        for path in _SYSTEM:
            target = shlex.quote(root + path)
            script += [f"mount --bind {shlex.quote(path)} {target}", f"mount -o remount,bind,ro {target}"]
        script += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        if not writable:
            script += [f"mount -o remount,bind,ro {shlex.quote(root)}", f"mount -t tmpfs -o mode=1777 tmp {root}/tmp"]
        for place, source in (mounts or {}).items():
            name, _, mode = place.partition(":")
            script.append(f"mount --bind {shlex.quote(str(source))} {shlex.quote(root + name)}")
            if mode:
                script.append(f"mount -o remount,bind,{mode} {shlex.quote(root + name)}")
        uid, _, gid = (user or self.user).partition(":")
        who = [] if uid == "0" else ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        # After chroot the shell's place is outside of the root.
        step = f"cd {shlex.quote(self.directory)} && exec {shlex.join([*who, *command])}"
        script.append(f"exec chroot {shlex.quote(root)} /bin/sh -c {shlex.quote(step)}")
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        if os.geteuid() != 0:
            namespaces += ["--user", "--map-root-user"]
        return [*namespaces, "/bin/sh", "-c", "\n".join(script)], {**self.environment, **(environment or {})}


class Build:
    """The stages of the Dockerfile at ``path``, built in ``home`` up to the ones named in ``targets``.

    ``environment`` is set in every RUN (as --build-arg could); ``mounts`` are there in every RUN.
    """

    def __init__(
        self, path: Path, context: Path, home: Path, environment: Mapping[str, str], mounts: Mapping[str, Path]
    ) -> None:
        self._context = context
        self._home = home
        self._environment = environment
        self._mounts = mounts
        self.stages: dict[str, Stage] = {}
        self._stage: Stage | None = None
        for line in _instructions(path.read_text()):
            name, _, rest = line.partition(" ")
            getattr(self, f"_{name.lower()}")(rest)

    @property
    def _now(self) -> Stage:
        assert self._stage is not None
        return self._stage

    def _arg(self, rest: str) -> None:
        """Only versions of base images are arguments, and there are none here."""

    def _expose(self, rest: str) -> None:
        """Says something about a container, does nothing."""

    def _from(self, rest: str) -> None:
        base, _, name = rest.partition(" AS ")
        root = self._home / name
        if base in self.stages:
            shutil.copytree(self.stages[base].root, root, symlinks=True)
            old = self.stages[base]
            self._stage = Stage(root, dict(old.environment), old.directory, old.user)
        else:
            self._stage = Stage(_empty_root(root, self._mounts))
        self.stages[name] = self._stage

    def _workdir(self, rest: str) -> None:
        self._now.directory = rest
        (self._now.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, rest: str) -> None:
        self._now.user = rest

    def _env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self._now.environment[name] = value.replace("$PATH", self._now.environment["PATH"])

    def _copy(self, rest: str) -> None:
        words = rest.split()
        start = self._context
        if words[0].startswith("--from="):
            start = self.stages[words.pop(0).partition("=")[2]].root
        *sources, target = words
        place = self._now.root / os.path.join(self._now.directory, target).lstrip("/")
        for source in sources:
            origin = start / source.lstrip("/")
            if origin.is_dir():
                shutil.copytree(origin, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                destination = place / origin.name if target.endswith("/") or len(sources) > 1 else place
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, destination)

    def _run(self, rest: str) -> None:
        command, environment = self._now.inside(
            ["/bin/sh", "-c", rest], environment=self._environment, mounts=self._mounts, writable=True
        )
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"

    def _entrypoint(self, rest: str) -> None:
        self._now.entrypoint = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self._now.command = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self._now.health = json.loads(rest.partition("CMD ")[2])


def _instructions(text: str) -> list[str]:
    """One line for each instruction, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [line for line in joined.splitlines() if line.strip()]


def _empty_root(root: Path, mounts: Mapping[str, Path]) -> Path:
    for place in ("proc", "dev", "tmp", "etc", *(path.lstrip("/") for path in (*_SYSTEM, *mounts))):
        (root / place.partition(":")[0].lstrip("/")).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    # Not every Python has that name.
    (root / "base" / "bin").mkdir(parents=True)
    (root / "base" / "bin" / "python").symlink_to(os.path.realpath(sys._base_executable))
    for link in _LINKS:
        if Path("/", link).is_symlink():
            (root / link).symlink_to(os.readlink(f"/{link}"))
    # The loader's cache, or libraries outside of the usual places are not found.
    for name in ("ld.so.cache", "ld.so.conf", "alternatives"):
        origin = Path("/etc", name)
        if origin.is_dir():
            shutil.copytree(origin, root / "etc" / name, symlinks=True)
        elif origin.exists():
            shutil.copy(origin, root / "etc" / name)
    return root
