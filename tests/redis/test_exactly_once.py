"""Every count is in the fleet's total exactly once, whatever dies, comes back, or is done twice at the same time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

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
    """A connection in which something happens when the n-th request is sent, or has been sent."""

    at = -1
    after = False
    event: Callable[[], None] = staticmethod(lambda: None)

    def _connect(self):
        client = super()._connect()
        outer = self
        sent = 0

        class Connection(client.connection_pool.connection_class):  # type: ignore[misc,name-defined]
            def send_packed_command(self, *args, **options):
                nonlocal sent
                sent += 1
                if sent == outer.at and not outer.after:
                    outer.event()
                super().send_packed_command(*args, **options)
                if sent == outer.at and outer.after:
                    outer.event()

        client.connection_pool.connection_class = Connection
        return client


def crash() -> None:
    raise ConnectionError("the process is gone")


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
        self._retire(hasty, self.store.connection())

    @rule(hasty=st.booleans(), at=_instants, after=st.booleans())
    def retire_and_die(self, hasty, at, after):
        """At any request, before Redis has got it or after."""
        connection = self._interruptible(at, after, crash)
        with contextlib.suppress(RedisTrouble):
            self._retire(hasty, connection)

    @rule(hasty=st.booleans(), at=_instants, after=st.booleans())
    def retire_while_another_does(self, hasty, at, after):
        """At any request, another retirer does all of its work."""
        self._retire(hasty, self._interruptible(at, after, lambda: self._retire(True, self.store.connection())))

    @rule(at=_instants, after=st.booleans(), which=_instants)
    def retire_while_one_publishes(self, at, after, which):
        """At any request, an instance says that it is alive after all."""
        self._retire(True, self._interruptible(at, after, lambda: self.publish(which)))

    @rule(at=_instants, after=st.booleans(), times=st.integers(1, 3))
    def read_while_another_retires(self, at, after, times):
        """At any request of a scrape, counts move on: by one step or several."""

        def move():
            for _ in range(times):
                self._retire(True, self.store.connection())

        fleet = Fleet(self._interruptible(at % 6, after, move), self.store.keys)
        assert counted(fleet) == sum(self.expected.values())

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
            self._retire(True, self.store.connection())
        assert counted(self.fleet) == sum(self.expected.values())
        assert self.store.client.hgetall(self.store.keys.index) == {}
        assert self.store.failures == []

    def _interruptible(self, at, after, event):
        connection = Interruptible(self.store.settings())
        connection.at, connection.after, connection.event = at, after, event
        return connection

    def _retire(self, hasty, connection):
        self.store.client.delete(self.store.keys.lease)
        limits = Limits(carried=0, node=0) if hasty else Limits()
        Retirer(connection, self.store.keys, lambda _, error: self.store.failures.append(error), limits=limits).run()


def test_in_any_order_of_events(shared_redis: RedisServer, request: pytest.FixtureRequest):
    Machine.server = shared_redis
    settings = hypothesis.settings(
        max_examples=int(__import__("os").environ.get("EX", "25")),
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

    def retire() -> None:
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

    threads = [guarded(retire) for _ in range(4)] + [guarded(poll)]
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
