"""Every snippet of README.md and docs/ does what the page says: `tests/docs/README.md` tells how to write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.checked_only import ROOT
from tests.docs.reader import Reader

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_a_reader_who_follows_the_page_sees_what_it_shows(
    page: Path, tmp_path: Path, redis_server_binary: Path, prometheus_binary: Path
) -> None:
    with Reader(tmp_path) as reader:
        reader.follow(page.read_text(encoding="utf-8"))
