"""Labels that everything gets when it is shown."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from .entries import Labels
from .families import Family, Series, Shape


class ConstantLabels:
    """Adds ``labels``. A family that has one of them itself keeps its own, and all of its samples do without ours:
    where only some had it, two samples could become the same.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._shapes: WeakKeyDictionary[Shape, Shape] = WeakKeyDictionary()

    def on(self, family: Family) -> Family:
        """``family`` with the labels. Its shape is made once for each that it is asked about."""
        shape = self._shapes.get(family.shape)
        if shape is None:
            shape = self._shapes[family.shape] = self._labelled(family.shape)
        return Family(shape, family.values)

    def _labelled(self, shape: Shape) -> Shape:
        own = {name for series in shape.series for name, _ in series.labels}
        added = tuple([label for label in self._labels if label[0] not in own])
        series = tuple([Series(one.sample, tuple(sorted([*one.labels, *added]))) for one in shape.series])
        return Shape(shape.name, shape.kind, shape.help, shape.unit, series)
