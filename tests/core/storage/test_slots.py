"""Slots: the lowest number that nobody living has."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.storage import slots as module
from gunicorn_prometheus_exporter.storage.locks import LockFiles
from gunicorn_prometheus_exporter.storage.slots import NoSlotError, Slots

Run = Callable[..., "subprocess.Popen[str]"]

TAKE = """
import sys
from gunicorn_prometheus_exporter.storage.locks import LockFiles
from gunicorn_prometheus_exporter.storage.slots import Slots
print(Slots(LockFiles(sys.argv[1])).take().owner, flush=True)
sys.stdin.read()
"""


def taken(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_lowest_free_number(tmp_path: Path) -> None:
    """1, 2, 3, and the gap before 4."""
    slots = Slots(LockFiles(str(tmp_path)))
    held = [slots.take() for _ in range(3)]
    assert [slot.owner for slot in held] == ["1", "2", "3"]
    slots.let_go(held[1])
    assert slots.take().owner == "2"
    assert slots.take().owner == "4"
    assert slots.take("m").owner == "m1"


def test_a_named_slot(tmp_path: Path) -> None:
    """Only if it is free."""
    slots = Slots(LockFiles(str(tmp_path)))
    slot = slots.take_owner("7")
    assert slot is not None
    assert Slots(LockFiles(str(tmp_path))).take_owner("7") is None
    slots.let_go(slot)
    assert Slots(LockFiles(str(tmp_path))).take_owner("7") is not None


def test_processes_share_a_directory(tmp_path: Path, run_python: Run) -> None:
    """Started at once they get different numbers, and a killed one's number is the next one's."""
    processes = [run_python(TAKE, tmp_path) for _ in range(6)]
    owners = [taken(process) for process in processes]
    assert sorted(owners) == ["1", "2", "3", "4", "5", "6"]
    killed = owners.index("3")
    processes[killed].kill()
    processes[killed].wait()
    assert taken(run_python(TAKE, tmp_path)) == "3"
    assert taken(run_python(TAKE, tmp_path)) == "7"


def test_a_worker_keeps_its_slot_and_no_other(tmp_path: Path, run_python: Run) -> None:
    """After the fork the child holds the newborn's slot alone; the master's and the other workers' are theirs."""
    process = run_python(
        """
import os, sys
from gunicorn_prometheus_exporter.storage.locks import LockFiles, is_held
from gunicorn_prometheus_exporter.storage.slots import Slots

slots = Slots(LockFiles(sys.argv[1]))
master, worker = slots.take("m"), slots.take()
master.newborn = False
child = os.fork()
if child == 0:
    kept = slots.after_fork()
    print(kept.owner, flush=True)
    sys.stdin.readline()
    os._exit(0)
slots.let_go(worker)
path = lambda owner: os.path.join(sys.argv[1], f"slot_{owner}.lock")
os.system("sleep 0.3")
print(is_held(path("m1")), is_held(path("1")), flush=True)
slots.let_go(master)
print(is_held(path("m1")), is_held(path("1")), flush=True)
os.kill(child, 9)
os.waitpid(child, 0)
print(is_held(path("m1")), is_held(path("1")), flush=True)
""",
        tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.read().splitlines() == ["1", "True True", "False True", "False False"]


def test_every_number_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says so, not a search without end."""
    monkeypatch.setattr(module, "MAX_SLOTS", 3)
    slots = Slots(LockFiles(str(tmp_path)))
    for _ in range(3):
        slots.take()
    with pytest.raises(NoSlotError, match="all 3 slots"):
        slots.take()
