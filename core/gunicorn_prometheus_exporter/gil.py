"""Whether lines that make no call are safe from other threads.

Under the GIL another thread, and a signal handler, come in only where something is called or a loop turns round: lines
without both are one step. A Python without the GIL gives no such promise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Final, Protocol, TypeVar


class _Locking(Protocol):
    _lock: AbstractContextManager[Any]


_Method = TypeVar("_Method", bound=Callable[..., Any])

HAS_GIL: Final[bool] = getattr(sys, "_is_gil_enabled", lambda: True)()


def locked(method: _Method) -> _Method:
    """``method``, called by one thread at a time for each object, which has a ``_lock`` that may be taken twice."""

    @wraps(method)
    def one_at_a_time(self: _Locking, *args: Any) -> Any:
        with self._lock:
            return method(self, *args)

    return one_at_a_time  # type: ignore[return-value]


def one_at_a_time(method: _Method) -> _Method:
    """`locked` where there is no GIL; where there is one, ``method`` must do its part in lines without a call."""
    return method if HAS_GIL else locked(method)
