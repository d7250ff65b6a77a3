"""Which family a name belongs to, so that no family and no sample can appear twice."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalogue import CATALOGUE, INTERNAL, Family
from .entries import Labels
from .families import owned_names


class Claims:
    """Gives names to families, first come, first served. Those of the catalogue, and ``more``, have theirs already."""

    def __init__(self, more: Iterable[Family] = ()) -> None:
        self._owners: dict[str, str] = {}
        for family in (*CATALOGUE.values(), *INTERNAL.values(), *more):
            self.take(family.name, family.kind)

    def take(self, name: str, kind: str) -> bool:
        """Claim the names of a family. False, and nothing claimed, if another family has one of them."""
        names = owned_names(name, kind)
        if any(self._owners.get(owned, name) != name for owned in names):
            return False
        self._owners.update(dict.fromkeys(names, name))
        return True

    def copy(self) -> Claims:
        """Claims that start with these, and can be taken without changing these."""
        duplicate = Claims.__new__(Claims)
        duplicate._owners = self._owners.copy()
        return duplicate


def fits_catalogue(name: str, kind: str, labels: Labels) -> bool:
    """Whether a family of this name may have this type and these labels (without ``le``)."""
    family = CATALOGUE.get(name) or INTERNAL.get(name)
    return family is None or (family.kind == kind and {label for label, _ in labels} == set(family.labels))
