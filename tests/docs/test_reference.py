"""The reference pages say what the code says."""

from __future__ import annotations

from scripts import metrics_reference


def test_metrics_page_is_current() -> None:
    """docs/metrics.md is what `make reference` would write."""
    assert metrics_reference.PAGE.read_text(encoding="utf-8") == metrics_reference.reference()
