"""What a thread of the exporter's does first."""

from __future__ import annotations

import signal
import threading
from typing import Final

# A fault of the processor or an abort is about the thread it happens in, and must not be held back.
_OWN_SIGNALS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
)


def block_signals(starter: int) -> None:
    """Leave the process's signals to its other threads, whose system calls they interrupt.

    Under a monkey-patched ``threading`` this is no thread but runs in the one numbered ``starter``, and then there
    is nobody to leave them to.
    """
    if threading.get_native_id() != starter:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN_SIGNALS)
