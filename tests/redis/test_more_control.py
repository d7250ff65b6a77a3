"""What is recorded, as the settings say, by a server that shares it through Redis."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.harness import Gunicorn
from tests.e2e.test_more_control import ROUTED, SIZE, bounds, reload_with
from tests.e2e.test_settings import LOAD, yaml_text
from tests.redis.servers import RedisServer


def test_buckets_that_change(redis_server: Callable[..., RedisServer], gunicorn: Callable[..., Gunicorn]) -> None:
    """In the fleet's totals, too, every observation stays in a bucket that it belongs to."""
    settings = {"redis.enabled": True, "redis.port": redis_server().port, "redis.scope": "fleet"}
    settings |= {"redis.publish_interval": 0.1, "excluded_endpoints": ["/healthz"]}
    first = yaml_text({**settings, "buckets": {SIZE: [2, 4]}})
    server = gunicorn(ROUTED, conf=LOAD, files={"exporter.yml": first}, directory="")
    server.get("/users")
    server.scrape_until(lambda e: e.total(f"{SIZE}_count") == 1)
    reload_with(server, {**settings, "buckets": {SIZE: [3, 5]}})
    server.get("/users")
    server.get("/healthz")
    seen = server.scrape_until(lambda e: e.total(f"{SIZE}_count") == 2)
    assert bounds(seen, SIZE) == {"3.0", "5.0", "+Inf"}
    assert [seen.value(f"{SIZE}_bucket", le=le) for le in ("3.0", "5.0", "+Inf")] == [1, 2, 2]
    assert seen.value(f"{SIZE}_sum") == 6
    server.scrape_until(lambda e: e.total("gunicorn_http_excluded_requests_total") == 1)
