"""What a master leaves for its successor."""

from __future__ import annotations

import os
from pathlib import Path

from gunicorn_prometheus_exporter.master.handover import Handover, find, leave


def test_what_is_left_is_found_once(tmp_path: Path) -> None:
    """The successor finds directory and descriptor, and its own environment is clean again."""
    reader, writer = os.pipe()
    environment: dict[str, str] = {"PATH": "/bin"}
    leave(environment, Handover(str(tmp_path), reader))
    assert os.get_inheritable(reader)
    assert not os.get_inheritable(writer)
    assert find(environment) == Handover(str(tmp_path), reader)
    assert environment == {"PATH": "/bin"}
    assert find(environment) == Handover(None, -1)
    os.close(reader)
    os.close(writer)


def test_old_word_does_not_last(tmp_path: Path) -> None:
    """A master that has nothing to leave does not pass on what it was left: that descriptor is something else now."""
    environment: dict[str, str] = {}
    leave(environment, Handover(str(tmp_path), 0))
    leave(environment, Handover())
    assert environment == {}


def test_nonsense_is_nothing(tmp_path: Path) -> None:
    """A directory that is gone, or a descriptor that is no number, is nothing."""
    environment: dict[str, str] = {}
    leave(environment, Handover(str(tmp_path / "gone")))
    for nonsense in ("x", "1", f"{os.getpid()}:x", f"{os.getpid()}:-1", ":1"):
        environment["GUNICORN_PROMETHEUS_EXPORTER_LISTENER"] = nonsense
        assert find(environment) == Handover(None, -1)


def test_the_word_is_for_one_process() -> None:
    """A Gunicorn that some process below starts has inherited the word, but not the descriptor."""
    environment: dict[str, str] = {}
    leave(environment, Handover(listener=1))
    pid = os.fork()
    if pid == 0:
        os._exit(0 if find(environment) == Handover() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert find(environment) == Handover(listener=1)
