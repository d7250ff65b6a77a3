"""Which trace a request belongs to, as W3C's ``traceparent`` says: from the client, so it may be anything."""

from __future__ import annotations

import re
from typing import Final

from ..storage.exemplars import Trace

_LONGEST: Final = 512
_LENGTH: Final = 55
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[ -~]*)?"
)
_SAMPLED: Final = 1


def sampled_trace(traceparent: str) -> Trace | None:
    """The trace that ``traceparent`` names, if it is a valid header and somebody records that trace.

    https://www.w3.org/TR/trace-context/#traceparent-header: later versions may have more behind what this one knows.
    """
    if not _LENGTH <= len(traceparent) <= _LONGEST:
        return None
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or not int(match["flags"], 16) & _SAMPLED or (match["version"] == "00" and match["more"]):
        return None
    return Trace(bytes.fromhex(match["trace"]), bytes.fromhex(match["span"]))
