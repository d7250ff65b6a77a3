"""The file store: a directory of segments, shared by the masters, the workers and the sidecars that use it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .exemplars import ExemplarArea
from .journal import Journal
from .locks import LockFiles, is_held, try_lock
from .names import DIRECTORY_LOCK, SegmentName, exemplars_name, journal_name, lock_name, parse_segment_name
from .segment import Segment, SegmentCorruptError
from .slots import Slots

_PRIVATE_PREFIX = "gunicorn-prometheus-"
_LOCK_WAIT_SECONDS = 5.0
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

OnFailure = Callable[[str, BaseException], None]


class FileStore:
    """Segments as files in ``directory``. New files belong to ``uid`` and ``gid`` when the master is root.

    ``private`` says that the directory was made for this master alone and goes away with it.
    """

    def __init__(self, directory: str, on_failure: OnFailure, *, private: bool, uid: int, gid: int) -> None:
        self.directory = directory
        self.private = private
        self.slots = Slots(LockFiles(directory, uid=uid, gid=gid))
        self._on_failure = on_failure
        self._uid = uid
        self._gid = gid

    def open_segment(self, name: SegmentName) -> Segment:
        """The segment of ``name``, with the values that an earlier owner left. Raises OSError.

        A segment that cannot be understood is replaced by an empty one, and the loss is reported.
        """
        path = os.path.join(self.directory, name.filename)
        try:
            return Segment(self._open(path))
        except SegmentCorruptError as error:
            self._on_failure("storage", error)
            os.unlink(path)
            return Segment(self._open(path))

    def open_journal(self, owner: str, cells: int) -> Journal:
        """The journal of worker slot ``owner`` with room for ``cells`` requests at a time. Raises OSError."""
        return Journal(self._open(os.path.join(self.directory, journal_name(owner))), cells=cells)

    def open_exemplars(self, owner: str) -> ExemplarArea:
        """The exemplars of worker slot ``owner``, with those that its last worker left. Raises OSError."""
        return ExemplarArea(self._open(os.path.join(self.directory, exemplars_name(owner))))

    def discard_live(self, owner: str) -> None:
        """Forget the values of ``owner`` that meant "alive". Only for the holder of its lock."""
        for name in self._segments():
            if (name.owner == owner and name.is_live) or name.owner == f"s{owner}":
                self._unlink(name.filename)

    def close(self) -> None:
        """Remove a private directory, unless another master (after USR2) lives in it."""
        if self.private and not _in_use(self.directory):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _open(self, path: str) -> int:
        fd = os.open(path, _FLAGS, 0o644)
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
            # A second name may be that of somebody's file, which would be overwritten, and given away.
            os.close(fd)
            self._on_failure("storage", FileExistsError(f"{path} is no file of this server's, and is replaced"))
            os.unlink(path)
            fd = os.open(path, _FLAGS | os.O_EXCL, 0o644)
        if os.geteuid() == 0 and self._uid != 0:
            os.fchown(fd, self._uid, self._gid)
        return fd

    def _segments(self) -> list[SegmentName]:
        return [name for name in map(parse_segment_name, os.listdir(self.directory)) if name is not None]

    def _unlink(self, filename: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(self.directory, filename))


def open_named(path: str, on_failure: OnFailure, *, cleanup: bool, uid: int, gid: int) -> FileStore:
    """The store in the user's directory ``path``, created if need be. Raises OSError.

    With ``cleanup``, what dead masters left in it is removed, unless anybody is alive there.
    """
    if not os.path.isdir(path):
        os.makedirs(path, mode=0o755, exist_ok=True)
        _give_away(path, uid, gid)
    if cleanup:
        with _directory_lock(path):
            if not _in_use(path):
                _remove_leftovers(path)
    return FileStore(path, on_failure, private=False, uid=uid, gid=gid)


def open_private(on_failure: OnFailure, *, cleanup: bool, uid: int, gid: int) -> FileStore:
    """A store in a new directory of its own (mode 0700), in memory where the system has such a place.

    With ``cleanup``, directories of this kind that belong to nobody alive are removed. Raises OSError.
    """
    root = _private_root()
    if cleanup:
        _remove_dead_directories(root)
    path = tempfile.mkdtemp(prefix=_PRIVATE_PREFIX, dir=root)
    _give_away(path, uid, gid)
    return FileStore(path, on_failure, private=True, uid=uid, gid=gid)


def _private_root() -> str:
    # Writes to a mapped file on a disk stall when the kernel writes its pages back; those to shared memory never do.
    shared_memory = "/dev/shm"  # noqa: S108
    if os.path.isdir(shared_memory) and os.access(shared_memory, os.W_OK | os.X_OK):
        return shared_memory
    return tempfile.gettempdir()


def _give_away(path: str, uid: int, gid: int) -> None:
    if os.geteuid() == 0 and uid != 0:
        os.chown(path, uid, gid)


def _lock_files(path: str) -> list[str]:
    return [name for name in os.listdir(path) if name.startswith("slot_") and name.endswith(".lock")]


def _in_use(path: str) -> bool:
    return any(is_held(os.path.join(path, name)) for name in _lock_files(path))


def _remove_leftovers(path: str) -> None:
    """Remove the files of owners that once held a lock here. Files of other programs stay."""
    files: dict[str, list[str]] = {lock: [] for lock in _lock_files(path)}
    for filename in os.listdir(path):
        name = parse_segment_name(filename)
        owner = name.owner if name else filename.partition("_")[2].removesuffix(".bin")
        if name or filename in (journal_name(owner), exemplars_name(owner)):
            files.get(lock_name(owner), []).append(filename)
    for lock, owned in files.items():
        fd = try_lock(os.path.join(path, lock))
        if fd is None:
            # A master that starts at the same time has just taken it.
            continue
        try:
            for filename in (*owned, lock):
                os.unlink(os.path.join(path, filename))
        finally:
            os.close(fd)


def _remove_dead_directories(root: str) -> None:
    for name in os.listdir(root):
        path = os.path.join(root, name)
        try:
            if name.startswith(_PRIVATE_PREFIX) and _is_own_directory(path) and _is_dead(path):
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue


def _is_own_directory(path: str) -> bool:
    info = os.lstat(path)
    return stat.S_ISDIR(info.st_mode) and info.st_mode & 0o077 == 0 and os.geteuid() in (0, info.st_uid)


def _is_dead(path: str) -> bool:
    # A directory without any lock file has just been made: its master is about to take the first lock.
    return bool(_lock_files(path)) and not _in_use(path)


@contextmanager
def _directory_lock(path: str) -> Iterator[None]:
    """Keep two masters that start at once from cleaning up after each other."""
    lock = os.path.join(path, DIRECTORY_LOCK)
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    fd = try_lock(lock)
    while fd is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{lock} has been locked for {_LOCK_WAIT_SECONDS:.0f} seconds")
        time.sleep(0.05)
        fd = try_lock(lock)
    try:
        yield
    finally:
        os.close(fd)
