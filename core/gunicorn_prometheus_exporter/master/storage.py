"""Where a master keeps its segments, and how its successor comes by them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from ..settings import Settings, SettingsError
from ..storage.files import FileStore, OnFailure, open_named, open_private
from ..storage.memory import MemoryStore, adopt_memory, open_memory
from ..storage.published import PublishedDirectory
from .handover import Handover


class Ids(NamedTuple):
    """Whom files belong to: the part of Gunicorn's configuration that a store needs."""

    uid: int
    gid: int


def open_store(settings: Settings, cfg: Any, left: Handover, report: OnFailure) -> FileStore | MemoryStore:
    """The store that ``settings`` ask for, that of the last master if it ``left`` one. Raises OSError."""
    if settings.redis_enabled:
        # Only where the system has no such memory is there a directory beneath Redis.
        with suppress(OSError):
            return adopt_memory(left.memory, report) or open_memory(report)
        return PublishedDirectory(
            left.directory or open_private(report, cleanup=True, uid=cfg.uid, gid=cfg.gid).directory,
            report,
            private=True,
            uid=cfg.uid,
            gid=cfg.gid,
        )
    named, cleanup = settings.multiproc_dir, settings.cleanup_db_files
    if named is not None:
        return open_named(named, report, cleanup=cleanup, uid=cfg.uid, gid=cfg.gid)
    if left.directory is not None:
        return FileStore(left.directory, report, private=True, uid=cfg.uid, gid=cfg.gid)
    return open_private(report, cleanup=cleanup, uid=cfg.uid, gid=cfg.gid)


def unusable(settings: Settings, error: OSError) -> SettingsError:
    """What to tell a user whose storage cannot be used because of ``error``."""
    allowed = "a directory that the master can create and write"
    return SettingsError([settings.problem("multiproc_dir", allowed, error)])


def what_to_leave(store: FileStore | MemoryStore, listener: int) -> Handover:
    """What the next master (USR2) is to find: the storage, and the metrics port's ``listener``."""
    if isinstance(store, MemoryStore):
        return Handover(listener=listener, memory=store.fileno())
    return Handover(store.directory if store.private else None, listener)
