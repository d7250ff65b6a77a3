"""Who holds a lock is alive, as the kernel sees it: real processes, real kills."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gunicorn_prometheus_exporter.storage.locks import is_held, try_lock

Run = Callable[..., "subprocess.Popen[str]"]

HOLD = """
import sys
from gunicorn_prometheus_exporter.storage.locks import try_lock
fd = try_lock(sys.argv[1])
print(fd is not None, flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_frees_its_lock(tmp_path: Path, run_python: Run) -> None:
    """SIGKILL, no clean-up: free the moment the process is gone."""
    path = str(tmp_path / "slot_1.lock")
    holder = run_python(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert is_held(path)
    assert try_lock(path) is None
    holder.kill()
    holder.wait()
    assert not is_held(path)
    fd = try_lock(path)
    assert fd is not None
    os.close(fd)


def test_a_forked_child_keeps_the_lock(tmp_path: Path, run_python: Run) -> None:
    """The hold is inherited: it ends with its last holder, be it the child."""
    path = str(tmp_path / "slot_1.lock")
    holder = run_python(
        """
import os, sys
from gunicorn_prometheus_exporter.storage.locks import try_lock
try_lock(sys.argv[1])
child = os.fork()
if child:
    print(child, flush=True)
    os._exit(0)
sys.stdin.read()
""",
        path,
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    holder.wait()
    assert is_held(path)
    os.kill(child, 9)
    assert holder.stdout.read() == ""
    assert not is_held(path)


def test_one_of_many_takes_it(tmp_path: Path, run_python: Run) -> None:
    """Eight processes at once, one lock."""
    path = str(tmp_path / "slot_1.lock")
    takers = [run_python(HOLD, path) for _ in range(8)]
    answers = [taker.stdout.readline().strip() for taker in takers if taker.stdout is not None]
    assert sorted(answers) == ["False"] * 7 + ["True"]


def test_looking_never_takes_a_lock_from_a_taker(tmp_path: Path, run_python: Run) -> None:
    """While others look without a pause, whoever tries to take the free lock gets it, every time."""
    path = str(tmp_path / "slot_1.lock")
    (tmp_path / "slot_1.lock").touch()
    lookers = [
        run_python(
            """
import sys
from gunicorn_prometheus_exporter.storage.locks import is_held
print("ready", flush=True)
while True:
    is_held(sys.argv[1])
""",
            path,
        )
        for _ in range(2)
    ]
    for looker in lookers:
        assert looker.stdout is not None
        looker.stdout.readline()
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        fd = try_lock(path)
        assert fd is not None
        os.close(fd)


def test_looking_never_shows_a_free_lock_as_held(tmp_path: Path) -> None:
    """Two who look at the same time do not see each other."""
    path = str(tmp_path / "slot_1.lock")
    (tmp_path / "slot_1.lock").touch()
    answers: set[bool] = set()

    def look() -> None:
        answers.update(is_held(path) for _ in range(2000))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {False}


def test_no_file_is_no_holder(tmp_path: Path) -> None:
    """And looking makes none."""
    assert not is_held(str(tmp_path / "slot_1.lock"))
    assert list(tmp_path.iterdir()) == []


def test_a_removed_file_is_not_taken(tmp_path: Path) -> None:
    """A lock on a file that nobody else can find is worth nothing: the next one makes a new file."""
    path = tmp_path / "slot_1.lock"
    first = try_lock(str(path))
    path.unlink()
    second = try_lock(str(path))
    assert first is not None
    assert second is not None
    assert is_held(str(path))
    os.close(first)
    assert is_held(str(path))
    os.close(second)
    assert not is_held(str(path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """In a directory that others may write to, a lock file must not become a way to somewhere else."""
    (tmp_path / "elsewhere").touch()
    (tmp_path / "slot_1.lock").symlink_to(tmp_path / "elsewhere")
    assert not is_held(str(tmp_path / "slot_1.lock"))
    try:
        try_lock(str(tmp_path / "slot_1.lock"))
    except OSError:
        return
    raise AssertionError("followed")
