"""The recording and alert rules: promtool's checks, and that each alert is tested and explained."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT
from tests.monitoring.live import RULES, shortened
from tests.monitoring.metric_names import unknown_metrics

CASES = RULES.parent / "tests"
RUNBOOK = ROOT / "docs" / "runbook.md"


def _rules() -> Iterator[dict[str, Any]]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in _rules() if "alert" in rule]
RECORDED = {rule["record"] for rule in _rules() if "record" in rule}


def _promtool(promtool: Path, *arguments: str) -> None:
    said = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_rules_are_valid(promtool: Path) -> None:
    _promtool(promtool, "check", "rules", *map(str, RULES.glob("*.yml")))


@pytest.mark.parametrize("cases", [pytest.param(path, id=path.stem) for path in sorted(CASES.glob("*.yml"))])
def test_alerts_fire_in_their_situation_only(promtool: Path, cases: Path) -> None:
    _promtool(promtool, "test", "rules", str(cases))


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_a_case(alert: dict[str, Any]) -> None:
    """In which it fires: what else would tell that it does."""
    expected = "".join(path.read_text() for path in CASES.glob("*.yml"))
    assert f'labels: \'{{alertname="{alert["alert"]}"' in expected or (
        f'labels: \'ALERTS{{alertname="{alert["alert"]}"' in expected
    )


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    """With what it means, how to see it and what to do."""
    page = RUNBOOK.read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [section.split("\n", 1)[0] for section in sections] == [param.id for param in ALERTS]
    for section in sections:
        parts = re.findall(r"^\*\*(.+?)\*\*", section, flags=re.MULTILINE)
        assert parts == ["What it means.", "How to see it.", "What to do."], section


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: path.stem)
def test_the_metrics_in_the_rules_exist(path: Path) -> None:
    for group in yaml.safe_load(path.read_text())["groups"]:
        for rule in group["rules"]:
            assert unknown_metrics(rule["expr"], RECORDED) == set()


def test_shortened_rules_keep_the_order_of_their_windows() -> None:
    text = 'x[3d] y[1h] z[5m] offset 3h for: 2m ratio_rate5m increase(c{d="1"}[10m])'
    short = 'x[24510ms] y[12170ms] z[5000ms] offset 15340ms for: 2000ms ratio_rate5m increase(c{d="1"}[10m])'
    assert shortened(text) == short


@pytest.mark.parametrize("page", ["monitoring.md", "runbook.md"])
def test_the_metrics_in_the_pages_exist(page: str) -> None:
    package = {"gunicorn_prometheus_exporter"}
    assert unknown_metrics((ROOT / "docs" / page).read_text(), RECORDED | package) == set()


def test_the_page_lists_each_alert_with_its_severity() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(runbook\.md#(\w+)\) \| (\w+) \|", page, flags=re.MULTILINE)
    alerts = [rule for rule in _rules() if "alert" in rule]
    assert rows == [(rule["alert"], rule["alert"].lower(), rule["labels"]["severity"]) for rule in alerts]
