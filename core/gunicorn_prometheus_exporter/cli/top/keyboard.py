"""Keys as they are pressed."""

from __future__ import annotations

import os
import select
import termios
import tty
from types import TracebackType


class Keyboard:
    """Reads ``fd``, a terminal, key by key and unseen; it is as before when the block ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The key that was pressed, "" if none was within ``seconds``. "q" when the terminal is gone."""
        ready, _, _ = select.select([self._fd], [], [], max(seconds, 0.0))
        if not ready:
            return ""
        return os.read(self._fd, 1).decode("ascii", "replace") or "q"
