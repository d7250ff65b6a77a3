"""Passwords and tokens, asked of a real server; and what a flood of wrong ones may cost."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from gunicorn_prometheus_exporter.server.endpoint import MetricsEndpoint
from gunicorn_prometheus_exporter.server.passwords import Passwords, TooManyAttempts
from gunicorn_prometheus_exporter.server.policy import matches_bcrypt
from gunicorn_prometheus_exporter.server.security import Security
from gunicorn_prometheus_exporter.settings import Settings
from tests.e2e.harness import wait_until

PASSWORD = "correct horse"
TOKEN = "0123456789.token"


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


class Checks:
    """bcrypt's check, which remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.asked.append((password, hashed))
        return matches_bcrypt(password, hashed)


@pytest.fixture
def checks() -> Checks:
    return Checks()


@pytest.fixture
def start(serve: Callable[..., Any], tmp_path: Path, checks: Checks) -> Callable[..., Any]:
    def start(cost: int = 4, **settings: Any) -> Any:
        file = tmp_path / "web.yml"
        users = {name: bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode() for name in ("joe", "zoé")}
        file.write_text("basic_auth_users:\n" + "".join(f"  {name}: {hashed}\n" for name, hashed in users.items()))
        given = Settings(web_config_file=str(file), **settings)
        security = Security(given, Passwords(checks), print)

        def render(*, openmetrics: bool, names: tuple[str, ...]) -> bytes:
            return b"up 1\n"

        return serve(MetricsEndpoint(render, lambda: True, security, health_auth=given.health_auth))

    return start


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("joe", PASSWORD), 200),
        (basic("zoé", PASSWORD), 200),
        (basic("joe", PASSWORD).replace("Basic", "bAsIc "), 200),
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (basic("joe", "wrong"), 401),
        (basic("joe", ""), 401),
        (basic("", PASSWORD), 401),
        (basic("nobody", PASSWORD), 401),
        (basic("joe", PASSWORD + "\0"), 401),
        (basic("joe", "x" * 100), 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        ("Bearer \xff", 401),
        ("Basic", 401),
        ("Basic !", 401),
        (f"Basic {base64.b64encode(b'joe').decode()}", 401),
        (f"Digest {TOKEN}", 401),
        ("", 401),
    ],
)
def test_who_may_come_in(start: Callable[..., Any], authorization: str, status: int) -> None:
    """Users with their password and bearers of the token; all others learn how to ask, and nothing else."""
    served = start(bearer_token=TOKEN)
    headers = {"Authorization": authorization} if authorization else {}
    for _ in range(2):
        response, body = served.scrape(**headers)
        assert response.status == status
        assert body == (b"up 1\n" if status == 200 else b"401 Unauthorized\n")
        if status == 401:
            assert response.headers.get_all("WWW-Authenticate") == ['Basic realm="metrics"', 'Bearer realm="metrics"']
    assert served.failures == []


def test_what_needs_a_password(start: Callable[..., Any]) -> None:
    """All but health, and that too if it is wanted; a path that does not exist is no business of a stranger's."""
    for served, health in ((start(), 200), (start(health_auth=True), 401)):
        for path, status in (
            ("/metrics", 401),
            ("/", 401),
            ("/other", 401),
            ("/-/healthy", health),
            ("/-/ready", health),
        ):
            assert served.scrape(path)[0].status == status
        assert served.scrape("/other", Authorization=basic("joe", PASSWORD))[0].status == 404


def test_a_password_is_checked_once(start: Callable[..., Any], checks: Checks) -> None:
    """... be it right or wrong."""
    served = start()
    for _ in range(3):
        assert served.scrape(Authorization=basic("joe", PASSWORD))[0].status == 200
        assert served.scrape(Authorization=basic("joe", "wrong"))[0].status == 401
    assert len(checks.asked) == 2


def test_a_user_who_does_not_exist_takes_as_long(start: Callable[..., Any], checks: Checks) -> None:
    """The check of a real hash, and for one name always of the same."""
    served = start()
    for number in range(20):
        for name in ("nobody", "joe"):
            assert served.scrape(Authorization=basic(name, f"wrong{number}"))[0].status == 401
    for_nobody = {hashed for _, hashed in checks.asked[::2]}
    assert len(checks.asked) == 40
    assert len(for_nobody) == 1


def test_a_check_keeps_nobody_waiting(start: Callable[..., Any], read_response: Any) -> None:
    """While a password is checked for most of a second, health, and whoever has shown a token, are served."""
    served = start(cost=12, bearer_token=TOKEN)
    head = f"GET /metrics HTTP/1.1\r\nAuthorization: {basic('joe', PASSWORD)}\r\n\r\n".encode()
    with served.connect(head, timeout=20) as client:
        began = time.monotonic()
        assert served.scrape(Authorization=f"Bearer {TOKEN}")[0].status == 200
        assert served.scrape("/-/healthy")[0].status == 200
        others = time.monotonic() - began
        assert read_response(client)[0].status == 200
        assert others < time.monotonic() - began


def test_a_flood_of_wrong_passwords(start: Callable[..., Any]) -> None:
    """It delays no scraper that is known, takes a part of a processor, and is told when it is too much."""
    served = start(cost=8)
    assert served.scrape(Authorization=basic("joe", PASSWORD))[0].status == 200
    stopping = threading.Event()
    statuses: list[int] = []

    def flood(number: int) -> None:
        attempt = 0
        while not stopping.is_set():
            attempt += 1
            with contextlib.suppress(OSError):
                statuses.append(served.scrape(Authorization=basic("joe", f"wrong{number}.{attempt}"))[0].status)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        times = []
        for _ in range(10):
            began = time.monotonic()
            assert served.scrape(Authorization=basic("joe", PASSWORD))[0].status == 200
            times.append(time.monotonic() - began)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert sorted(times)[-2] < 1
    assert set(statuses) == {401, 429}
    assert served.failures == []


def test_clients_that_do_not_wait(start: Callable[..., Any], read_response: Any) -> None:
    """A client that is gone before its password was checked leaves nothing behind."""
    served = start(cost=6)
    for number in range(20):
        head = f"GET / HTTP/1.1\r\nAuthorization: {basic('joe', f'wrong{number}')}\r\n\r\n".encode()
        served.connect(head).close()
    # As long as many of one address wait, one more is told to come later.
    wait_until(lambda: served.scrape(Authorization=basic("joe", PASSWORD))[0].status == 200, 20)
    wait_until(lambda: not served.server._connections and not served.server._postponed, 20)


class Gated:
    """A check that waits to be let through, one by one, and knows one right password."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.gate = threading.Semaphore(0)

    def __call__(self, password: bytes, _hashed: bytes) -> bool:
        self.order.append(password)
        self.gate.acquire()
        return password == b"right"


def ask(passwords: Passwords, password: bytes, address: str) -> tuple[threading.Event, Callable[[], None]]:
    done = threading.Event()
    return done, passwords.check(password, password, b"", address, done.set)


def test_a_new_address_is_first() -> None:
    """Who has sent no wrong password waits for the check under way, and for nobody who has."""
    check = Gated()
    passwords = Passwords(check)
    first, _ = ask(passwords, b"wrong", "1.1.1.1")
    check.gate.release()
    assert first.wait(5)
    events = [ask(passwords, b"wrong%d" % number, "1.1.1.1")[0] for number in range(5)]
    right, _ = ask(passwords, b"right", "2.2.2.2")
    check.gate.release(2)
    assert right.wait(5)
    assert check.order.index(b"right") <= 2
    assert passwords.known(b"right") is True
    assert passwords.known(b"wrong") is False
    check.gate.release(10)
    assert all(event.wait(5) for event in events)
    passwords.close()


def test_what_waits_is_bounded() -> None:
    """One address has so many attempts and no more; one that is taken back makes room, and is never made."""
    check = Gated()
    passwords = Passwords(check)
    waiting = [ask(passwords, b"%d" % number, "1.1.1.1") for number in range(16)]
    with contextlib.suppress(TooManyAttempts):
        # The first of them may be under way already.
        ask(passwords, b"one more", "1.1.1.1")
    with pytest.raises(TooManyAttempts):
        ask(passwords, b"too many", "1.1.1.1")
    waiting[15][1]()
    ask(passwords, b"another", "1.1.1.1")
    check.gate.release(100)
    assert waiting[14][0].wait(5)
    assert b"15" not in check.order
    passwords.close()


def test_one_check_for_all_who_ask() -> None:
    """Two scrapers with the same password wait for the same check."""
    check = Gated()
    passwords = Passwords(check)
    both = [ask(passwords, b"right", address)[0] for address in ("1.1.1.1", "2.2.2.2")]
    check.gate.release(2)
    assert all(event.wait(5) for event in both)
    assert check.order == [b"right"]
    passwords.close()


def test_what_is_remembered_is_bounded() -> None:
    """... and wrong passwords do not push out right ones."""
    passwords = Passwords(lambda password, hashed: password == b"right")
    ask(passwords, b"right", "0")[0].wait(5)
    for number in range(3000):
        assert ask(passwords, b"%d" % number, f"{number}")[0].wait(5)
    assert passwords.known(b"right") is True
    assert passwords.known(b"2999") is False
    assert passwords.known(b"0") is None
    assert len(passwords._wrong) <= 1024
    assert len(passwords._failures) <= 1024
    assert not passwords._attempts
    assert not passwords._waiting
    passwords.close()


def test_a_check_that_fails_is_no(start: Callable[..., Any]) -> None:
    """Whatever the package raises, the answer is no, and the next one is checked."""

    def check(password: bytes, _hashed: bytes) -> bool:
        if password == b"bad":
            raise RuntimeError
        return True

    passwords = Passwords(check)
    assert ask(passwords, b"bad", "1")[0].wait(5)
    assert passwords.known(b"bad") is False
    assert ask(passwords, b"good", "2")[0].wait(5)
    assert passwords.known(b"good") is True
    passwords.close()
    assert ask(passwords, b"better", "2")[0].wait(5)
