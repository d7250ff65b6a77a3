"""Which ``traceparent`` names a trace that somebody records."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.recorder.traces import sampled_trace
from gunicorn_prometheus_exporter.storage.exemplars import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-ff", f"cc-{TRACE}-{SPAN}-01-what-comes"]
)
def test_sampled(header: str) -> None:
    """Whatever the other flags and a later version say."""
    assert sampled_trace(header) == Trace(bytes.fromhex(TRACE), bytes.fromhex(SPAN))


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-fe",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f'00-{TRACE[:-1]}"-{SPAN}-01',
        f"00-{TRACE[:-1]}\u0660-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
    ],
)
def test_not(header: str) -> None:
    """What is not sampled, or not as the recommendation has it."""
    assert sampled_trace(header) is None
