"""Runs `bench.driver` in a process and an environment of its own, alone or under valgrind's cachegrind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from scripts.provision import tool

from .driver import Drive, Driven
from .environments import PROJECT, ROOT, EnvironmentFailure, environ, python_of
from .variants import ALL, Variant

LIMIT_SECONDS: Final = 600
# Requests before the first count: what is made at the first request of a kind is in both counts.
_BEFORE: Final = 120


class DriveFailed(Exception):
    """The driver ended with an error; the message is what it said."""


def drive_of(variant: Variant) -> Drive:
    """The drive of ``variant``, with the driver's own defaults for the rest."""
    return Drive(
        variant.target,
        worker_class=variant.worker_class,
        settings=variant.settings,
        paths=[variant.path],
        statsd=variant.statsd,
        warm_up=20,
    )


def available(names: Collection[str] = (), part: str = "") -> tuple[list[Variant], list[str]]:
    """The variants that run here, with what they are held against, and why others do not.

    Of those that ``names`` are, if it is not empty, and whose name has ``part`` in it.
    """
    asked = {variant.name for variant in ALL if part in variant.name and (not names or variant.name in names)}
    asked |= {variant.against for variant in ALL if variant.name in asked}
    chosen: list[Variant] = []
    missing: list[str] = []
    for variant in ALL:
        if variant.name not in asked:
            continue
        try:
            if variant.environment != PROJECT:
                driven(variant, replace(drive_of(variant), requests=1))
            chosen.append(variant)
        except (EnvironmentFailure, DriveFailed) as failure:
            missing.append(f"{variant.name}: {failure}")
    return chosen, missing


def driven(variant: Variant, drive: Drive) -> Driven:
    """Run ``drive`` in the environment of ``variant``. Raises DriveFailed, EnvironmentFailure."""
    return Driven(**json.loads(_run([], variant, drive)[0].splitlines()[-1]))


def instructions(variant: Variant, drive: Drive) -> float:
    """User-space instructions per request: what ``drive.requests`` more of them take, divided by their number.

    Start-up is in both runs and cancels out; half a percent is what remains of chance.
    """
    few = replace(drive, requests=_BEFORE)
    many = replace(drive, requests=_BEFORE + drive.requests)
    return (_count(variant, many) - _count(variant, few)) / drive.requests


def count_all(drives: Sequence[tuple[Variant, Drive]]) -> list[float]:
    """`instructions` of each, on all cores at once: they do not depend on what else runs."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(instructions, *zip(*drives, strict=True)))


def _count(variant: Variant, drive: Drive) -> int:
    wrapper = [str(tool("valgrind")), "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    _, said = _run(wrapper, variant, drive)
    found = re.search(r"I +refs: +([\d,]+)", said)
    if found is None:
        raise DriveFailed(f"cachegrind did not say how many instructions there were:\n{said}")
    return int(found[1].replace(",", ""))


def _run(wrapper: list[str], variant: Variant, drive: Drive) -> tuple[str, str]:
    command = [*wrapper, str(python_of(variant.environment)), "-m", "bench.driver", json.dumps(asdict(drive))]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory_directory()) as directory:
        (Path(directory) / "metrics").mkdir()
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=environ(variant.environment, Path(directory), **variant.environ),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    if ran.returncode:
        raise DriveFailed(f"{variant.name}: {ran.stderr[-2000:]}")
    return ran.stdout, ran.stderr


def memory_directory() -> str | None:
    """Where files do not go to a disk, None if there is no such place: everybody's metrics are kept there."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
