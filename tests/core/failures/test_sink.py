"""A sink that fails itself."""

from __future__ import annotations

from collections import Counter

from gunicorn_prometheus_exporter.failures import Failures


def test_a_sink_that_fails() -> None:
    """It raises at nobody, and what it did not take goes to the next one."""
    log: list[str] = []
    failures = Failures(log.append)
    failures.report("storage", OSError())

    def full(_: str) -> None:
        raise OSError("no space left")

    failures.send_to(full)
    failures.report("recorder", OSError())
    counted: Counter[str] = Counter()
    failures.send_to(lambda component: counted.update([component]))
    assert counted == {"storage": 1, "recorder": 1}
    assert len(log) == 2
