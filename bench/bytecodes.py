"""Where an exporter's instructions go: the bytecodes that its functions execute, counted one by one."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Bytecodes:
    """Counts, between `start` and `stop`, what this thread executes of the package ``package``, by function."""

    def __init__(self, package: str) -> None:
        self._package = f"/{package}/"
        self._executed: Counter[CodeType] = Counter()

    def start(self) -> None:
        sys.settrace(self._enter)

    def stop(self) -> None:
        sys.settrace(None)

    def by_function(self) -> dict[str, int]:
        """How many, by ``module.function``."""
        found: Counter[str] = Counter()
        for code, executed in self._executed.items():
            found[f"{Path(code.co_filename).stem}.{code.co_name}"] += executed
        return dict(found)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self._package not in frame.f_code.co_filename:
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self._executed[frame.f_code] += 1
        return self._step
