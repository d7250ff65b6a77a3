"""A master in which gevent or eventlet stand in for threads: a preloaded application has patched it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from .wrapping import wrap

_LIBRARIES: Final = frozenset({"gevent", "eventlet"})
_POLL_SECONDS: Final = 0.05


def let_run(arbiter: Any) -> None:
    """Let green threads run while ``arbiter`` waits for signals.

    From Gunicorn 24 on it waits in a queue of the interpreter's own, of which those libraries do not know: the
    metrics server and the sampler would stand still.
    """
    if hasattr(arbiter, "wait_for_signals"):
        wrap(arbiter, "wait_for_signals", lambda wait, timeout=1.0: _wait(arbiter, wait, timeout))


def _wait(arbiter: Any, wait: Callable[..., list[int]], timeout: float) -> list[int]:
    # Asked each time, because a reload may load what patches.
    if not _is_patched():
        return wait(timeout=timeout)
    deadline = time.monotonic() + timeout
    while arbiter.SIG_QUEUE.empty():
        if time.monotonic() >= deadline:
            return []
        time.sleep(_POLL_SECONDS)
    return wait(timeout=timeout)


def _is_patched() -> bool:
    return str(getattr(time.sleep, "__module__", "")).partition(".")[0] in _LIBRARIES
