"""Every count is in the fleet's total exactly once, whatever dies, comes back, or is done twice at the same time."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gunicorn_prometheus_exporter.redis.connection import RedisConnection, RedisTrouble
from gunicorn_prometheus_exporter.redis.fleet import Fleet
from gunicorn_prometheus_exporter.redis.retirer import Limits, Retirer
from tests.redis.instances import Instance, counted, request_key
from tests.redis.servers import RedisServer
from tests.redis.stores import Store

NAMES = ["web-0", "web-1", "web-2"]
NODES = ["", "n1", "n2"]
_instants = st.integers(0, 60)


class Interruptible(RedisConnection):
    """A connection with ``event`` before its ``at``-th request from now on; ``happened`` tells if it came so far."""

    at = 0
    happened = False
    event: Callable[[], object]

    def _connect(self):
        client = super()._connect()
        outer = self

        class Connection(client.connection_pool.connection_class):  # type: ignore[misc,name-defined]
            def send_packed_command(self, *args, **options):
                outer.at -= 1
                if outer.at == 0:
                    outer.happened = True
                    outer.event()
                super().send_packed_command(*args, **options)

        client.connection_pool.connection_class = Connection
        return client


def interruptible(store: Store, at: int, event: Callable[[], object]) -> Interruptible:
    connection = Interruptible(store.settings())
    # What a new connection asks about itself is not of interest.
    with connection.exchange() as client:
        client.ping()
    connection.at, connection.event = at, event
    return connection


def crash() -> None:
    raise ConnectionError("the process is gone")


def retire(store: Store, connection: RedisConnection | None = None, **limits: float) -> None:
    """One pass, whoever has the lease."""
    store.client.delete(store.keys.lease)
    Retirer(
        connection or store.spare,
        store.keys,
        lambda _, error: store.failures.append(error),
        limits=Limits(**{"carried": 0, "node": 0, **limits}),  # type: ignore[arg-type]
    ).run()


class Stages:
    """Instances whose counts are in the total of the fleet, of a node, of themselves, and in none yet; one lives.

    `begin` makes it so again, each time.
    """

    EVERYTHING = 11_111

    def __init__(self, store: Store) -> None:
        self._client = store.client
        self._instances: list[Instance] = []
        for number, name in enumerate(("oldest", "old", "gone", "web", "living")):
            if name != "living":
                retire(store)
            instance = store.instance(name, node=f"n{number}")
            instance.count(10**number)
            instance.publish()
            if name != "living":
                instance.die()
            self._instances.append(instance)
        self._dumps = {
            key: (max(self._client.pttl(key), 0), self._client.dump(key)) for key in self._client.scan_iter("*")
        }

    def begin(self) -> list[Instance]:
        self._client.flushall()
        with self._client.pipeline() as pipeline:
            for key, (ttl, dump) in self._dumps.items():
                pipeline.restore(key, ttl, dump)
            pipeline.execute()
        return copy.deepcopy(self._instances, {id(self._client): self._client})


def finish(store: Store, instances: list[Instance]) -> None:
    """Everybody leaves, the work is done to its end, and nothing is left over."""
    for instance in instances:
        instance.die()
    for _ in range(8):
        if not store.client.exists(store.keys.index):
            break
        retire(store)
    assert store.client.hgetall(store.keys.index) == {}
    assert store.failures == []


def interrupted(store: Store, event: Callable[[list[Instance]], object]) -> Iterator[list[Instance]]:
    """Retire what is at every stage, with the event before each request in turn."""
    stages = Stages(store)
    for at in itertools.count(1):
        instances = stages.begin()
        connection = interruptible(store, at, lambda instances=instances: event(instances))
        with contextlib.suppress(RedisTrouble):
            retire(store, connection)
        yield instances
        if not at % 5:
            before = counted(store.one_fleet)
            finish(store, instances)
            assert counted(store.one_fleet) == before
        if not connection.happened:
            assert at > 40
            return


def test_whenever_a_retirer_dies(store: Store):
    for _ in interrupted(store, lambda _: crash()):
        assert counted(store.one_fleet) == Stages.EVERYTHING
        retire(store)
        assert counted(store.one_fleet) == Stages.EVERYTHING


def test_whenever_another_retirer_does_the_same(store: Store):
    for _ in interrupted(store, lambda _: retire(store)):
        assert counted(store.one_fleet) == Stages.EVERYTHING


def test_whenever_an_instance_comes_back(store: Store):
    """The one that is being retired says that it is alive after all, and has counted on."""

    def come_back(instances: list[Instance]) -> None:
        instances[3].count(1)
        instances[3].publish_again()

    for instances in interrupted(store, come_back):
        retire(store)
        expected = sum(instance.counted for instance in instances)
        assert counted(store.one_fleet) == expected


def test_whenever_another_instance_of_that_name_goes(store: Store):
    """While the total of an instance is on its way, more is added to one of that name."""

    def go(instances: list[Instance]) -> None:
        instances.append(store.instance("gone", node="n2"))
        instances[-1].count(1)
        instances[-1].publish()
        instances[-1].die()
        retire(store)

    for instances in interrupted(store, go):
        expected = sum(instance.counted for instance in instances)
        assert counted(store.one_fleet) == expected


@pytest.mark.parametrize("passes", [1, 2, 4])
@pytest.mark.parametrize("cluster", [False, True])
def test_whenever_counts_move_on_under_a_reader(store: Store, passes: int, cluster: bool):
    """Between any two of its requests; in a cluster it must ask in more steps, since there no order is kept."""
    stages = Stages(store)
    for at in itertools.count(1):
        stages.begin()
        connection = interruptible(store, at, lambda: [retire(store) for _ in range(passes)])
        connection.is_cluster = cluster  # type: ignore[misc]
        fleet = Fleet(connection, store.keys)
        assert counted(fleet) == Stages.EVERYTHING
        assert counted(fleet) == Stages.EVERYTHING
        if not connection.happened:
            assert at > 5
            return


class Machine(RuleBasedStateMachine):
    """Instances start, count, publish, are cut off, die and come back; retirers do their work, and die of it."""

    server: RedisServer

    @initialize()
    def begin(self):
        self.server.client().flushall()
        self.store = Store({"REDIS_PORT": str(self.server.port)}, self.server.client())
        self.fleet = self.store.fleet()
        self.by_instance = self.store.fleet(by_instance=True)
        self.living: list[Instance] = []
        self.expected: dict[Instance, float] = {}

    @rule(name=st.sampled_from(NAMES), node=st.sampled_from(NODES))
    def start(self, name, node):
        if len(self.living) < 4:
            self.living.append(self.store.instance(name, node=node))
            self.count(0, 1)

    @rule(which=_instants, amount=st.integers(1, 5))
    def count(self, which, amount):
        """Counts are made in one of a few series, and are in the total once they are published."""
        if self.living:
            instance = self.living[which % len(self.living)]
            instance.count(amount, raw_key=request_key(f"/{amount}"))

    @rule(which=_instants)
    def publish(self, which):
        if self.living:
            instance = self.living[which % len(self.living)]
            instance.publish_again()
            self.expected[instance] = instance.counted

    @rule(which=_instants)
    def cut_off(self, which):
        """It is not heard of for longer than the TTL, and goes on counting."""
        if self.living:
            self.living[which % len(self.living)].die()

    @rule(which=_instants, ends=st.booleans())
    def leave(self, which, ends):
        """It is gone for good: killed, or by itself with a last word."""
        if self.living:
            if ends:
                self.publish(which)
            instance = self.living.pop(which % len(self.living))
            instance.end() if ends else instance.die()

    @rule(hasty=st.booleans())
    def retire(self, hasty):
        self._retire(hasty)

    @rule(hasty=st.booleans(), at=_instants)
    def retire_and_die(self, hasty, at):
        with contextlib.suppress(RedisTrouble):
            self._retire(hasty, interruptible(self.store, at, crash))

    @rule(hasty=st.booleans(), at=_instants)
    def retire_while_another_does(self, hasty, at):
        self._retire(hasty, interruptible(self.store, at, lambda: retire(self.store)))

    @rule(at=_instants, which=_instants)
    def retire_while_one_publishes(self, at, which):
        self._retire(True, interruptible(self.store, at, lambda: self.publish(which)))

    @invariant()
    def everything_is_counted_once(self):
        if hasattr(self, "fleet"):
            assert counted(self.fleet) == counted(self.by_instance) == sum(self.expected.values())

    def teardown(self):
        """In the end nothing is left over, whatever was begun and not finished."""
        if not hasattr(self, "fleet"):
            return
        for instance in self.living:
            instance.die()
        for _ in range(6):
            self._retire(True)
        assert counted(self.fleet) == sum(self.expected.values())
        assert self.store.client.hgetall(self.store.keys.index) == {}
        assert self.store.failures == []

    def _retire(self, hasty, connection=None):
        retire(self.store, connection, **({} if hasty else {"carried": 3600, "node": 86400}))


def test_in_any_order_of_events(shared_redis: RedisServer, request: pytest.FixtureRequest):
    Machine.server = shared_redis
    settings = hypothesis.settings(
        max_examples=int(os.environ.get("EXAMPLES", "10")),
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
        # A failure says what happened in which order; to shrink it would take longer than a test may.
        phases=[hypothesis.Phase.generate],
    )
    hypothesis.stateful.run_state_machine_as_test(Machine, settings=settings)


def test_a_total_never_goes_backwards(any_store: Store):
    """Read every few milliseconds, while instances die, restart, are renamed and expire, and four retirers work."""
    fleet = any_store.fleet()
    stop = threading.Event()
    troubles: list[BaseException] = []
    sums: list[float] = []

    def work() -> None:
        connection = any_store.connection()
        while not stop.is_set():
            Retirer(
                connection, any_store.keys, lambda _, e: troubles.append(e), limits=Limits(carried=0.5, node=1.0)
            ).run()
            any_store.client.delete(any_store.keys.lease)

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                troubles.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def poll() -> None:
        while not stop.is_set():
            sums.append(counted(fleet))
            time.sleep(0.02)

    threads = [guarded(work) for _ in range(4)] + [guarded(poll)]
    published = 0.0
    try:
        instances = [any_store.instance(f"web-{number}", node=f"n{number % 2}", ttl=0.3) for number in range(6)]
        end = time.monotonic() + 6
        turn = 0
        while time.monotonic() < end and not troubles:
            turn += 1
            for number, instance in enumerate(instances):
                if (turn + number) % 7 == 0:
                    # Longer than the TTL without a word, and more than one may be in this state.
                    continue
                instance.count(1, raw_key=request_key(f"/{turn % 5}"))
                published += 1
                instance.publish_again()
            victim = turn % len(instances)
            if turn % 3 == 0:
                name = instances[victim].name if turn % 2 else f"renamed-{turn}"
                if turn % 4:
                    instances[victim].end()
                instances[victim] = any_store.instance(name, node=f"n{turn % 3}", ttl=0.3)
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert troubles == []
    assert sums == sorted(sums)
    assert len(sums) > 20
    assert counted(fleet) == published
