"""Fixtures: `gunicorn` and `redis_server` of the other tests."""

from tests.e2e.conftest import gunicorn
from tests.redis.conftest import redis_server

__all__ = ["gunicorn", "redis_server"]
