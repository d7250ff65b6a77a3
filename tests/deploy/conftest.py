"""Fixtures: `gunicorn` of the end-to-end tests."""

from tests.e2e.conftest import gunicorn

__all__ = ["gunicorn"]
