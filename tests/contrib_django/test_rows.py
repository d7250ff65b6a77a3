"""Django's table: what every kind of request yields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contrib_django.conftest import Seen
from tests.contrib_django.rows import ROWS, Row


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row(ask: Callable[..., Seen], row: Row) -> None:
    """Status, endpoint and exceptions, each once."""
    seen = ask(row.path, row.method, body=row.body, settings=row.settings, **row.headers)
    assert (seen.status, seen.endpoint) == (row.status, row.endpoint)
    assert seen.exceptions == tuple((*error, row.source) for error in row.exceptions)
