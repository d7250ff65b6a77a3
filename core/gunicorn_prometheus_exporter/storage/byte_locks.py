"""Locks on single bytes of a file that has no name: held through an open file description, as `locks` are.

Only Linux has both what they need: locks that belong to an open file description and not to a process, and a way to
open a nameless file once more.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

# struct flock: type, whence, start, length, process id (0, as the kernel demands here).
_flock: Final = struct.Struct("hhqqi")


def try_lock_byte(fd: int, offset: int) -> int | None:
    """Lock the byte at ``offset`` of the file that ``fd`` is; return the lock's descriptor, or None if it is taken.

    The byte need not exist. Raises OSError where there are no such locks.
    """
    lock = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.fcntl(lock, _command("F_OFD_SETLK"), _flock.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0))
    except (BlockingIOError, PermissionError):
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock


def is_byte_locked(fd: int, offset: int) -> bool:
    """Whether a living process holds the lock of the byte at ``offset``. It is not disturbed by looking."""
    question = _flock.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
    answer = fcntl.fcntl(fd, _command("F_OFD_GETLK"), question)
    return bool(_flock.unpack(answer)[0] != fcntl.F_UNLCK)


def _command(name: str) -> int:
    command = getattr(fcntl, name, None)
    if command is None:
        raise OSError("this system has no locks of open file descriptions")
    return int(command)
