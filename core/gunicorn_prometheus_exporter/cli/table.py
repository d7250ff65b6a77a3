"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = "  "


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """One line for each of ``rows``, which have as many columns each; the last column may be of any width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
