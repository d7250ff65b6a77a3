"""Locks that tell who is alive: held through an open file description, released by the kernel with its last holder."""

from __future__ import annotations

import fcntl
import os
import time

from .names import lock_name


class LockFiles:
    """The lock files in ``directory``. New ones belong to ``uid`` and ``gid`` if this process is root."""

    def __init__(self, directory: str, *, uid: int = 0, gid: int = 0) -> None:
        self._directory = directory
        self._uid = uid
        self._gid = gid

    def try_lock(self, owner: str) -> int | None:
        fd = try_lock(os.path.join(self._directory, lock_name(owner)))
        if fd is not None and os.geteuid() == 0 and self._uid != 0 and os.fstat(fd).st_nlink == 1:
            # What the application forks takes slots too, without the master's privileges. A second name may be that of
            # somebody's file.
            os.fchown(fd, self._uid, self._gid)
        return fd


def try_lock(path: str) -> int | None:
    """Take the lock file at ``path``; return its descriptor, or None if somebody holds it.

    The file is created if it is missing. A file that was unlinked between opening and locking is not taken.
    Raises OSError if the file cannot be opened or the file system has no locks.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            taken = _flock(fd)
        except BaseException:
            os.close(fd)
            raise
        if taken and _is_same_file(fd, path):
            return fd
        os.close(fd)
        if not taken:
            return None


def is_held(path: str) -> bool:
    """Whether a living process holds the lock file at ``path``. False if there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(fd)


def _flock(fd: int) -> bool:
    """Lock ``fd`` exclusively, unless somebody else has it so.

    `is_held` looks by taking a shared lock for a moment. An owner's lock is exclusive, so whoever finds the
    file locked but can share it has only met such a look, and tries again.
    """
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        time.sleep(0.0002)


def _is_same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
