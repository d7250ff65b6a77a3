"""What a user may have meant by a name that is none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of the ``known`` names that is likeliest meant by ``name``, if one is likely at all."""
    names = sorted(known)
    longer = [one for one in names if one.startswith(name)]
    if longer:
        return longer[0]
    elsewhere = [one for one in names if one.rpartition(".")[2] == name.rpartition(".")[2]]
    if len(elsewhere) == 1:
        return elsewhere[0]
    close = get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.7)
    return close[0] if close else None


def is_slip(name: str, known: str) -> bool:
    """Whether ``name`` is ``known`` with two letters too many, too few, wrong or swapped; one where it is short."""
    slips = 1 if len(known) < _LONG else 2
    return name != known and abs(len(name) - len(known)) <= slips and _distance(name, known) <= slips


_LONG: Final = 12


def _distance(one: str, other: str) -> int:
    """How many letters to insert, delete, replace or swap with their neighbour."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, other_letter in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other_letter))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == other_letter:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
