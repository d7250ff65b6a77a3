"""What the files of a metrics directory are called.

A segment is ``<type>_<owner>.db`` as in prometheus_client's multiprocess mode, with a bounded owner where
prometheus_client has a process id:

``<n>``   worker slot *n*
``m<n>``  master slot *n*
``s<n>``  what a master sampled about the worker in slot *n*; means nothing once that worker is gone

The types ``info`` and ``stateset``, which prometheus_client has no multiprocess mode for, end in ``.state`` instead:
its collector reads every file that ends in ``.db``, and must find nothing there that it does not understand.

Any other owner is a process that uses prometheus_client by itself in the same directory.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SEGMENT = re.compile(
    r"(?:(?P<kind>counter|histogram|summary)|gauge_(?P<mode>[a-z]+))_(?P<owner>[A-Za-z0-9]+)\.db"
    r"|(?P<state>info|stateset)_(?P<state_owner>[A-Za-z0-9]+)\.state"
)
_STATES = frozenset({"info", "stateset"})

DIRECTORY_LOCK = "directory.lock"


class Origin(NamedTuple):
    """Where a segment comes from that is not of this master: its source, and the labels by which that is shown."""

    source: str
    labels: tuple[tuple[str, str], ...] = ()


class SegmentName(NamedTuple):
    """The type, the gauge mode (``""`` for other types) and the owner of one segment.

    Where the segments of several masters meet, the ``origin`` tells them apart. A scrape looks hundreds of them up, so
    it is a tuple, which is quickly hashed and compared.
    """

    kind: str
    mode: str
    owner: str
    origin: Origin | None = None

    @property
    def filename(self) -> str:
        prefix = f"gauge_{self.mode}" if self.kind == "gauge" else self.kind
        return f"{prefix}_{self.owner}.{'state' if self.kind in _STATES else 'db'}"

    @property
    def is_live(self) -> bool:
        """Whether the values mean nothing once their owner is gone."""
        return self.mode.startswith("live")


def parse_segment_name(filename: str) -> SegmentName | None:
    """The segment that ``filename`` (without directory) names, or None if it names none."""
    match = _SEGMENT.fullmatch(filename)
    if match is None:
        return None
    kind = match["state"] or match["kind"] or "gauge"
    return SegmentName(kind, match["mode"] or "", match["state_owner"] or match["owner"])


def lock_name(owner: str) -> str:
    """The lock file that tells whether ``owner`` is alive. A sampled owner lives as long as its worker."""
    return f"slot_{owner.removeprefix('s')}.lock"


def journal_name(owner: str) -> str:
    """The file that holds the requests in progress of worker slot ``owner``."""
    return f"journal_{owner}.bin"


def exemplars_name(owner: str) -> str:
    """The file that holds the exemplars of worker slot ``owner``."""
    return f"exemplars_{owner}.bin"
