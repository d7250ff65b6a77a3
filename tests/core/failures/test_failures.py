"""The exporter's own failures: counted always, logged once for each cause, never raised."""

from __future__ import annotations

import threading
from collections import Counter

from gunicorn_prometheus_exporter.failures import Failures


def raised(kind: type[Exception], text: str = "") -> Exception:
    try:
        raise kind(text)
    except kind as error:
        return error


def raised_elsewhere() -> Exception:
    try:
        raise ValueError
    except ValueError as error:
        return error


def test_each_cause_is_logged_once() -> None:
    """The same component, class and place is one cause, whatever the message."""
    log: list[str] = []
    failures = Failures(log.append)
    for number in range(5):
        failures.report("storage", raised(OSError, f"number {number}"))
    assert len(log) == 1
    assert "storage failed" in log[0]
    assert "OSError: number 0" in log[0]
    assert 'gunicorn_exporter_errors_total{component="storage"}' in log[0]
    failures.report("scrape", raised(OSError))
    failures.report("storage", raised(ValueError))
    failures.report("storage", raised_elsewhere())
    assert len(log) == 4


def test_all_are_counted() -> None:
    """Those before anybody counted too, each once."""
    failures = Failures(lambda _: None)
    for _ in range(3):
        failures.report("storage", raised(OSError))
    counted: Counter[str] = Counter()
    failures.send_to(lambda component: counted.update([component]))
    assert counted == {"storage": 3}
    failures.report("recorder", raised(OSError))
    assert counted == {"storage": 3, "recorder": 1}
    failures.send_to(None)
    failures.report("recorder", raised(OSError))
    other: Counter[str] = Counter()
    failures.send_to(lambda component: other.update([component]))
    assert other == {"recorder": 1}


def test_count_logs_at_the_next_flush() -> None:
    """For threads that must take no lock of a log."""
    log: list[str] = []
    failures = Failures(log.append)
    failures.count("scrape", raised(OSError))
    assert log == []
    failures.flush()
    failures.flush()
    assert len(log) == 1


def test_causes_are_bounded() -> None:
    """A failure that looks different each time does not fill the log or the memory."""
    log: list[str] = []
    failures = Failures(log.append)
    counted: Counter[str] = Counter()
    failures.send_to(lambda component: counted.update([component]))
    for number in range(1000):
        failures.report("scrape", type(f"Error{number}", (Exception,), {})())
    assert len(log) == 200
    assert counted == {"scrape": 1000}


def test_an_error_that_was_never_raised() -> None:
    """It has no place, and is a failure all the same."""
    log: list[str] = []
    Failures(log.append).report("scrape", KeyError("x"))
    assert "scrape failed: KeyError: 'x'" in log[0]


def test_a_forked_child_starts_from_nothing() -> None:
    """Its parent's failures are its parent's, and a lock that was held at the fork is nobody's."""
    log: list[str] = []
    failures = Failures(log.append)
    failures.count("scrape", raised(OSError))
    failures._lock.acquire()
    failures.after_fork()
    counted: Counter[str] = Counter()
    failures.send_to(lambda component: counted.update([component]))
    failures.flush()
    assert counted == {}
    assert log == []
    failures.report("storage", raised(OSError))
    assert counted == {"storage": 1}


def test_threads() -> None:
    """None is lost."""
    failures = Failures(lambda _: None)
    threads = [
        threading.Thread(target=lambda: [failures.report("scrape", raised(OSError)) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted: Counter[str] = Counter()
    failures.send_to(lambda component: counted.update([component]))
    assert counted == {"scrape": 2000}
