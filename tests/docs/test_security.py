"""Every claim of the security page names a test that there is."""

from __future__ import annotations

import re

import pytest

from tests.docs.checked_only import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), flags=re.MULTILINE)


def test_every_claim_names_one() -> None:
    """What somebody can do needs none; all that they cannot does."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| **can**"))]
    unproven = [row for row in rows if "`tests/" not in row and not row.endswith("| test |")]
    assert unproven == []
    assert len(NAMED) > 40
