"""Links of the pages, the built site, the dashboard and the alerts lead somewhere, and the site fetches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_links import Checker, broken_in_pages, broken_in_site, broken_names, build


def test_pages() -> None:
    assert list(broken_in_pages(Checker())) == []


def test_what_names_a_page() -> None:
    """Runbook links of alerts and panels, and pages that code and examples name."""
    assert list(broken_names(Checker())) == []


def test_site(tmp_path: Path) -> None:
    """It builds without a warning, no link of it is broken, and a browser asks no other host for anything."""
    site = tmp_path / "site"
    build(site)
    assert len(list(site.rglob("index.html"))) > 20
    assert list(broken_in_site(Checker(), site)) == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("other.md", None),
        ("other.md#a-heading", None),
        ("#here", None),
        ("https://example.org/a?b#c", None),
        ("no.md", "no.md: is not there"),
        ("other.md#no", "other.md#no: there is no anchor no"),
        ("#no", "#no: there is no anchor no"),
        ("/other.md", "/other.md: is absolute"),
        ("../../outside.md", "../../outside.md: is not there"),
        ("https:/example.org", "https:/example.org: is not an address of the web"),
        ("ftp://example.org", "ftp://example.org: is not an address of the web"),
    ],
)
def test_a_link(tmp_path: Path, link: str, fault: str | None) -> None:
    (tmp_path / "page.md").write_text(f"# Here\n\n[text]({link})\n")
    (tmp_path / "other.md").write_text("# Other\n\n## A heading\n")
    found = list(Checker().broken(tmp_path / "page.md", tmp_path))
    assert found == ([] if fault is None else [f"page.md: {fault}"])


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("index.html", '<script src="https://cdn.example.org/a.js"></script>'),
        ("index.html", '<link rel="stylesheet" href="//fonts.example.org/a.css">'),
        ("index.html", '<img src="http://example.org/a.png">'),
        ("a.css", "body { background: url(https://example.org/a.png) }"),
        ("a.css", "@import 'https://example.org/a.css';"),
    ],
)
def test_what_a_browser_would_fetch_from_elsewhere(tmp_path: Path, name: str, html: str) -> None:
    (tmp_path / name).write_text(html)
    assert [line.split(": ")[-1] for line in broken_in_site(Checker(), tmp_path)] == [
        "a browser would fetch it from another host"
    ]


def test_a_runbook_link(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "runbook.md").write_text("## Slow\n")
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring" / "rules.yml").write_text(
        "a: docs/runbook.md#slow\nb: docs/runbook.md#fast\nc: docs/no.md\n"
    )
    assert list(broken_names(Checker(), tmp_path)) == [
        "monitoring/rules.yml: docs/no.md: is not there",
        "monitoring/rules.yml: docs/runbook.md#fast: is not there",
    ]
