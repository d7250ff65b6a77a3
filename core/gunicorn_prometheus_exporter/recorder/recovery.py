"""What the last worker of a slot did not live to count."""

from __future__ import annotations

from ..settings import Settings
from ..storage.segments import Segments, Store
from .recorder import Recorder


def recover_slot(store: Store, segments: Segments, settings: Settings) -> None:
    """Count in ``segments`` what their slot's last worker left unfinished. Only for the holder of the slot's lock.

    Raises SegmentFullError, OSError.
    """
    journal = store.open_journal(segments.owner, 1)
    if journal.busy():
        Recorder(segments, journal, settings).recover_all()
