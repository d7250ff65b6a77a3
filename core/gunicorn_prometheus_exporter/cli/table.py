"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = "  "
_WIDEST: Final = 60
"""A longer text pushes aside what follows it in its own line, and not in all others."""


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """One line for each of ``rows``, which have as many columns each."""
    widths = [
        max([len(text) for text in column if len(text) <= _WIDEST], default=0) for column in zip(*rows, strict=True)
    ]
    for row in rows:
        yield _GAP.join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
