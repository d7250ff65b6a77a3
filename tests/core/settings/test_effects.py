"""Every setting has a test that observes what it does, and says so: ``@pytest.mark.setting("metrics_port", …)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from gunicorn_prometheus_exporter.settings.definition import definitions

TESTS = Path(__file__).parents[2]


def marked() -> Iterator[tuple[str, str]]:
    """The names in all marks, each with its file."""
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if "mark.setting(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.setting":
                for name in node.args:
                    yield ast.literal_eval(name), path.name


def test_every_setting_has_a_test_of_its_effect() -> None:
    """None is only parsed."""
    names = {definition.name for definition in definitions()}
    seen = dict(marked())
    assert {name: file for name, file in seen.items() if name not in names} == {}
    assert names - seen.keys() == set()
