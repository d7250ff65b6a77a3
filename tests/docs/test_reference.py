"""The reference pages say what the code says."""

from __future__ import annotations

from scripts import metrics_reference, settings_reference


def test_metrics_page_is_current() -> None:
    """docs/metrics.md is what `make reference` would write."""
    assert metrics_reference.PAGE.read_text(encoding="utf-8") == metrics_reference.reference()


def test_settings_page_is_current() -> None:
    """docs/settings.md is what `make reference` would write."""
    assert settings_reference.PAGE.read_text(encoding="utf-8") == settings_reference.reference()


def test_schemas_are_current() -> None:
    """The one in the package and the one in the documentation are what `make reference` would write."""
    for path in settings_reference.SCHEMAS:
        assert path.read_text(encoding="utf-8") == settings_reference.schema()
