"""The memory store: what the file store does, in memory that processes share and no file system knows."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.scrape.reader import Reader
from gunicorn_prometheus_exporter.scrape.stores import source_of
from gunicorn_prometheus_exporter.storage import memory
from gunicorn_prometheus_exporter.storage.files import FileStore
from gunicorn_prometheus_exporter.storage.journal import Phase
from gunicorn_prometheus_exporter.storage.memory import MemoryStore, adopt_memory, open_memory
from gunicorn_prometheus_exporter.storage.names import SegmentName

COUNTER = SegmentName("counter", "", "1")
LIVE = SegmentName("gauge", "livesum", "1")
SAMPLED = SegmentName("gauge", "livemostrecent", "s1")
KEY = '["a", "a_total", {}, "Help."]'
GAUGE = '["g", "g", {}, "Help."]'

AnyStore = FileStore | MemoryStore


class Failures(list[tuple[str, BaseException]]):
    def __call__(self, component: str, error: BaseException) -> None:
        self.append((component, error))


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, failures: Failures) -> Iterator[AnyStore]:
    """Each kind of store."""
    made: AnyStore
    if request.param == "file":
        made = FileStore(str(tmp_path), failures, private=False, uid=0, gid=0)
    else:
        made = open_memory(failures)
    yield made
    made.close()


@pytest.fixture
def shared(failures: Failures) -> Iterator[MemoryStore]:
    made = open_memory(failures)
    yield made
    made.close()


def readings(store: AnyStore) -> dict[str, tuple[float, ...]]:
    """What a scrape of the store finds."""
    found = Reader().read(source_of(store).scan())
    assert not found.unreadable
    return {f"{r.name.kind}{r.name.mode}_{r.name.owner}": r.values for r in found.readings}


def in_a_child(act: Callable[[], None]) -> None:
    """Do ``act`` in a forked process, which must end without an error."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_segment_continues(store: AnyStore) -> None:
    """What an earlier owner left is there, also when it outgrew its first size."""
    segment = store.open_segment(COUNTER)
    for number in range(3000):
        segment.write_value(f'["a", "a_total", {{"n": "{number}"}}, "Help."]', number, 0.0)
    again = store.open_segment(COUNTER)
    assert len(again) == 3000
    assert [value for _, value, _ in again.read_all_values()] == list(range(3000))
    again.write_value(KEY, 7.0, 0.0)
    assert readings(store) == {"counter_1": (*range(3000), 7.0)}


def test_what_a_child_writes_is_seen(store: AnyStore) -> None:
    """By whoever reads, after the child is dead too."""
    in_a_child(lambda: store.open_segment(COUNTER).write_value(KEY, 3.0, 0.0))
    assert readings(store) == {"counter_1": (3.0,)}


def test_live_values_need_a_living_owner(store: AnyStore) -> None:
    """Live gauges and samples count while the slot's lock is held; counters count for ever."""
    slot = store.slots.take()
    for name, key in ((COUNTER, KEY), (LIVE, GAUGE), (SAMPLED, '["h", "h", {}, "Help."]')):
        store.open_segment(name).write_value(key, 1.0, 1.0)
    everything = {"counter_1": (1.0,), "gaugelivesum_1": (1.0,), "gaugelivemostrecent_s1": (1.0,)}
    assert readings(store) == everything
    in_a_child(lambda: store.slots.let_go(slot))
    assert readings(store) == everything, "the lock is the parent's too"
    store.slots.let_go(slot)
    assert readings(store) == {"counter_1": (1.0,)}


def test_discarding(store: AnyStore) -> None:
    """What meant that a worker was alive is gone for its heir; what it counted is not."""
    slot = store.slots.take()
    for name, key in ((COUNTER, KEY), (LIVE, GAUGE), (SAMPLED, GAUGE)):
        store.open_segment(name).write_value(key, 1.0, 1.0)
    stale = store.open_segment(LIVE)
    store.discard_live(slot.owner)
    assert readings(store) == {"counter_1": (1.0,)}
    fresh = store.open_segment(LIVE)
    fresh.write_value('["longer", "longer", {}, "Help."]', 5.0, 0.0)
    stale.write_value(GAUGE, 9.0, 9.0)
    stale.index('["late", "late", {}, "Help."]')
    assert readings(store) == {"counter_1": (1.0,), "gaugelivesum_1": (5.0,)}, "a late writer writes elsewhere"


def test_slots_across_processes(store: AnyStore) -> None:
    """The lowest free number; a child that is killed frees its own, and takes nobody else's with it."""
    master, worker = store.slots.take("m"), store.slots.take()
    master.newborn = False
    assert (master.owner, worker.owner) == ("m1", "1")
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        kept = store.slots.after_fork()
        os.write(tell, kept.owner.encode() if kept else b"?")
        signal.pause()
    assert os.read(ready, 9) == b"1"
    store.slots.let_go(worker)
    assert store.slots.take_owner("1") is None
    assert store.slots.take().owner == "2"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    heir = store.slots.take()
    assert heir.owner == "1"
    assert store.slots.take_owner("m1") is None
    for descriptor in (ready, tell):
        os.close(descriptor)


def test_the_journal_has_the_cells_it_was_given(store: AnyStore) -> None:
    """A master that asks for one sees all those of the worker."""
    journal = store.open_journal("1", 40)
    journal.enter(Phase.RUNNING)
    cell = journal.free[0]
    journal.words[cell[0]] = 200
    journal.set_endpoint(cell, b"/far")
    seen = store.open_journal("1", 1)
    assert seen.pid() == os.getpid()
    assert [request.endpoint for request in seen.unfinished()] == ["/far"]


def test_nothing_corrupt_stays(shared: MemoryStore, failures: Failures) -> None:
    """A segment of garbage is replaced by an empty one, and the loss is reported once."""
    shared.open_segment(COUNTER).write_value(KEY, 1.0, 0.0)
    place = next(iter(shared.places()))
    os.pwrite(shared.fileno(), b"\xff" * 64, place.offset)
    shared.open_segment(COUNTER).write_value(KEY, 2.0, 0.0)
    assert [component for component, _ in failures] == ["storage"]
    assert readings(shared) == {"counter_1": (2.0,)}
    assert next(iter(shared.places())).generation == place.generation + 1


def test_memory_does_not_grow_with_the_workers_that_ever_lived(shared: MemoryStore) -> None:
    """Late writers of discarded segments cannot fill it either."""
    sizes = []
    for _ in range(3):
        for _ in range(memory._GENERATIONS):
            segment = shared.open_segment(LIVE)
            segment.write_value(GAUGE, 1.0, 0.0)
            shared.discard_live("1")
            segment.write_value(GAUGE, 2.0, 0.0)
        sizes.append(os.fstat(shared.fileno()).st_blocks)
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[0] * 512 < 1 << 20


def test_it_has_no_name(shared: MemoryStore) -> None:
    """No file system knows the memory, and what the application executes does not inherit it."""
    assert os.fstat(shared.fileno()).st_nlink == 0
    assert not os.get_inheritable(shared.fileno())


def test_a_successor_finds_everything(shared: MemoryStore, failures: Failures) -> None:
    """It has the same values, the same incarnation, other slots, and its own descriptor is not passed on."""
    shared.open_segment(COUNTER).write_value(KEY, 4.0, 0.0)
    slot = shared.slots.take("m")
    passed = os.dup(shared.fileno())
    os.set_inheritable(passed, True)
    heir = adopt_memory(passed, failures)
    assert heir is not None
    assert heir.incarnation == shared.incarnation
    assert readings(heir) == {"counter_1": (4.0,)}
    assert slot.owner == "m1"
    assert heir.slots.take("m").owner == "m2"
    assert not os.get_inheritable(passed)
    heir.renew_incarnation()
    assert heir.incarnation == shared.incarnation, "both see the new one"
    heir.close()


def test_one_publisher_at_a_time(shared: MemoryStore) -> None:
    """The next one's turn comes when the first is gone."""
    first = shared.try_lock_publisher()
    assert first is not None
    assert shared.try_lock_publisher() is None
    os.close(first)
    second = shared.try_lock_publisher()
    assert second is not None
    os.close(second)


def test_other_memory_is_not_adopted(tmp_path: Path, failures: Failures) -> None:
    """A descriptor that is something else by now, or nothing at all."""
    with (tmp_path / "other").open("wb+") as other:
        other.write(b"something else" * 99)
        other.flush()
        assert adopt_memory(other.fileno(), failures) is None
    assert adopt_memory(-1, failures) is None


@pytest.mark.parametrize("owner", ["0", "4097", "m0", "x1", "01", "1/2", ""])
def test_an_owner_that_can_have_no_place(shared: MemoryStore, owner: str) -> None:
    """An OSError, which everybody who opens a segment expects."""
    with pytest.raises(OSError, match="no place"):
        shared.open_segment(SegmentName("counter", "", owner))


def test_the_last_place_is_within_reach(shared: MemoryStore) -> None:
    """The highest slot's last kind of segment works as the first does."""
    name = SegmentName("gauge", "livemostrecent", f"s{memory.MAX_SLOTS}")
    shared.open_segment(name).write_value(GAUGE, 1.0, 1.0)
    assert shared.open_segment(name).read_value(GAUGE) == (1.0, 1.0)
