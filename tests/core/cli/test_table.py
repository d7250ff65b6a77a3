from __future__ import annotations

from gunicorn_prometheus_exporter.cli.table import table


def test_columns_are_as_wide_as_their_texts() -> None:
    assert list(table([("a", "bbb", "c"), ("aa", "b", "")])) == ["a   bbb  c", "aa  b"]


def test_a_very_long_text_does_not_widen_the_other_lines() -> None:
    long = "x" * 200
    assert list(table([("a", long, "c"), ("a", "bb", "c")])) == [f"a  {long}  c", "a  bb  c"]
