"""Wheels of what is installed here, made again from the installed files: for a pip that has no network."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What an installer writes.
_NOT_PACKED = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")


def with_dependencies(names: Iterable[str]) -> list[Distribution]:
    """The installed distributions of these names, as `name` or `name[extra]`, and of all that they need."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        one = found[key[0]] = distribution(wanted.name)
        for line in one.requires or ():
            needed = Requirement(line)
            if any(
                needed.marker is None or needed.marker.evaluate({"extra": extra}) for extra in (wanted.extras or {""})
            ):
                waiting.append(needed)
    return list(found.values())


def pack(one: Distribution, directory: Path) -> None:
    """Write the wheel of ``one`` into ``directory``. Its scripts are made again by pip from the entry points."""
    tag = next(line for line in (one.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")).split()[1]
    name = one.metadata["Name"].replace("-", "_")
    with zipfile.ZipFile(directory / f"{name}-{one.version}-{tag}.whl", "w") as wheel:
        for path in one.files or ():
            # What lies elsewhere or was compiled here was not in the wheel.
            if ".." in path.parts or path.suffix == ".pyc" or path.name in _NOT_PACKED:
                continue
            wheel.write(str(path.locate()), str(path))
        # pip wants every file to be listed; hashes may be left out.
        record = next(str(path) for path in one.files or () if path.name == "RECORD")
        wheel.writestr(record, "".join(f"{listed},,\n" for listed in [*wheel.namelist(), record]))
