"""The index: every source and total that there is under a prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .layout import FLEET, Source, SourceInfo, Total, parse_field
from .pipelines import WRONG_TYPE

Place = Source | Total


@dataclass(frozen=True, slots=True)
class Index:
    """What there is, and how many of its fields are none of ours. The fleet's total is there without being listed."""

    infos: Mapping[Place, SourceInfo]
    foreign: int = 0

    @classmethod
    def of_reply(cls, reply: Any) -> Index:
        """The index that a HGETALL has given."""
        if reply is WRONG_TYPE:
            return cls({}, 1)
        infos: dict[Place, SourceInfo] = {}
        foreign = 0
        for field, text in reply.items():
            place, info = parse_field(field.decode("utf-8", "replace")), SourceInfo.decode(text)
            foreign += place is None or info is None
            if place is not None:
                infos[place] = info or SourceInfo()
        return cls(infos, foreign)

    @property
    def sources(self) -> list[Source]:
        return [place for place in self.infos if isinstance(place, Source)]

    @property
    def totals(self) -> list[Total]:
        return [place for place in self.infos if isinstance(place, Total)]

    def node_of(self, place: Place) -> str:
        """A total knows its node, a source says it in the index."""
        return place.node if isinstance(place, Total) else self.infos[place].node

    def total_of(self, source: Source) -> Total:
        """Where the counts of ``source`` go once it is gone."""
        return Total(source.instance, self.infos[source].node)

    def part(self, *, instance: str | None, node: str | None) -> Index:
        """What belongs to ``instance`` and to ``node``; None: to any."""
        infos = {
            place: info
            for place, info in self.infos.items()
            if instance in (None, place.instance) and node in (None, self.node_of(place))
        }
        return Index(infos, self.foreign)

    def downstream(self) -> set[Total]:
        """Every total that what is listed may move on to, or has just done so: those of its nodes, and the fleet's."""
        nodes = {Total(node=self.node_of(place)) for place in self.infos}
        return {*nodes, FLEET}
