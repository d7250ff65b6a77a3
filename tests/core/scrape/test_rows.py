"""What is read scrape after scrape, next to what a reader says that never read before."""

from __future__ import annotations

import random
from itertools import count

import pytest

from gunicorn_prometheus_exporter.scrape.reader import Reader
from gunicorn_prometheus_exporter.scrape.readings import Reading, Readings
from gunicorn_prometheus_exporter.scrape.rows import whole_block
from gunicorn_prometheus_exporter.scrape.scraper import Scraper
from tests.core.scrape.segments import MemorySegment, MemorySource, key, packed

SERIES = [key("a", "a_total", {"x": "y" * number}) for number in range(12)]


def segment(owner: int, order: list[bytes], numbers: list[float]) -> MemorySegment:
    return MemorySegment(f"counter_{owner}.db", packed(*zip(order, numbers, strict=True)))


def said(readings: Readings) -> list[tuple[str, dict[object, tuple[float, ...]]]]:
    """What each segment says, by series, whatever the order of its layout; with its time stamps, if it has any."""
    return [
        (reading.name.filename, dict(zip(map(_series, reading.layout.keys), _columns(reading), strict=True)))
        for reading in readings.readings
    ]


def _series(found: object) -> object:
    return getattr(found, "labels", None)


def _columns(reading: Reading) -> list[tuple[float, ...]]:
    parts = [reading.values, reading.timestamps] if reading.timestamps else [reading.values]
    return list(zip(*parts, strict=True))


class _Fleet:
    """Segments to which something happens between any two scrapes. All values are multiples of a quarter."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.segments: list[MemorySegment] = []
        self._keys: dict[str, list[bytes]] = {}
        self._identities = count(2)
        for owner in range(1, 8):
            self._add(f"counter_{owner}.db", SERIES[: self.chance.randrange(1, 5)])
            self._add(f"gauge_livesum_{owner}.db", SERIES[4:6])
            self._add(f"gauge_mostrecent_{owner}.db", SERIES[6:9])

    def step(self) -> None:
        for found in self.segments:
            happens = self.chance.randrange(12)
            keys = self._keys[found.name.filename]
            unmet = [raw for raw in SERIES if raw not in keys]
            if happens == 0 and unmet and found.name.kind == "counter":
                keys.append(self.chance.choice(unmet))
            elif happens == 1:
                self.chance.shuffle(keys)
                found.identity = next(self._identities)
            elif happens == 2:
                found.alive = not found.alive
            self._fill(found)
            if happens == 3:
                found.data = found.data[: self.chance.randrange(len(found.data))]
            elif happens == 4:
                found.data = b""
        self.chance.shuffle(self.segments)

    def _add(self, filename: str, keys: list[bytes]) -> None:
        order = self.chance.sample(keys, len(keys))
        self._keys[filename] = order
        self.segments.append(MemorySegment(filename, b""))
        self._fill(self.segments[-1])

    def _fill(self, found: MemorySegment) -> None:
        keys = self._keys[found.name.filename]
        found.data = packed(
            *[(raw, self.chance.randrange(4000) / 4, float(self.chance.randrange(1, 10**6))) for raw in keys]
        )


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_to_segments_the_next_scrape_says_what_is_there(seed: int) -> None:
    """They change, grow, are replaced by others with other places, die, come back, are damaged and emptied."""
    fleet = _Fleet(seed)
    reader, scraper = Reader(), Scraper(MemorySource(*fleet.segments))
    for _ in range(60):
        found, anew = reader.read(fleet.segments), Reader().read(fleet.segments)
        assert said(found) == said(anew)
        assert (found.unreadable, found.size) == (anew.unreadable, anew.size)
        assert _page(scraper) == _page(Scraper(MemorySource(*fleet.segments)))
        fleet.step()


def _page(scraper: Scraper) -> list[str]:
    return [line for line in scraper.render().decode().splitlines() if "scrape_duration" not in line]


def test_segments_with_entries_in_the_same_order_are_added_up_where_they_are() -> None:
    """Also if that is not the order of their layout; and no value appears in another one's sum."""
    reader = Reader()
    upwards, downwards = SERIES[:4], SERIES[3::-1]
    segments = [segment(1, upwards, [1.0, 2.0, 3.0, 4.0])]
    segments += [segment(owner, downwards, [4.0, 3.0, 2.0, 1.0]) for owner in range(2, 5)]
    reader.read(segments)
    _, *alike = reader.read(segments).readings
    block = whole_block(alike)
    assert block is not None
    assert block.sums() == [3.0, 6.0, 9.0, 12.0]


def test_a_block_that_lacks_one_is_not_added_up() -> None:
    """What a segment that is gone said last is still in its place."""
    reader = Reader()
    segments = [segment(owner, SERIES[:2], [1.0, 1.0]) for owner in range(1, 5)]
    for _ in range(2):
        reader.read(segments)
    segments[2].alive = False
    assert whole_block(reader.read(segments).readings) is None
    block = whole_block(reader.read(segments).readings)
    assert block is not None
    assert block.sums() == [3.0, 3.0]


def test_segments_of_different_blocks_are_not_one() -> None:
    """Though they are as many as one of the blocks has rows."""
    reader = Reader()
    segments = [segment(owner, SERIES[:2] if owner < 3 else SERIES[1::-1], [1.0, 1.0]) for owner in range(1, 5)]
    reader.read(segments)
    readings = reader.read(segments).readings
    assert whole_block(readings[:2]) is not None
    assert whole_block(readings[1:3]) is None
