"""Settings that are right each by itself, and not together."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalogue import LABEL_NAMES
from .definition import Settings

# Each rule gives the names of the settings it is about, and what is wrong with them, where something is.
Complaint = tuple[tuple[str, ...], str]


def complaints(settings: Settings) -> Iterator[Complaint]:
    """What is wrong between settings. The place of the first named setting is where to begin."""
    yield from _labels(settings)
    yield from _tls(settings)
    if settings.redis_enabled:
        yield from _redis(settings)


def _labels(settings: Settings) -> Iterator[Complaint]:
    for name, _ in settings.constant_labels:
        if name in LABEL_NAMES:
            yield ("constant_labels",), f"{name!r} is the name of a label that metrics have already"


def _tls(settings: Settings) -> Iterator[Complaint]:
    if settings.ssl_enabled and settings.ssl_certfile is None:
        yield ("ssl_enabled", "ssl_certfile"), "TLS needs a certificate (PROMETHEUS_SSL_CERTFILE)"
    if settings.ssl_keyfile is not None and settings.ssl_certfile is None:
        yield ("ssl_keyfile", "ssl_certfile"), "a key needs its certificate (PROMETHEUS_SSL_CERTFILE)"
    if not settings.ssl_client_auth_required:
        return
    if settings.ssl_client_cafile is None and settings.ssl_client_capath is None:
        yield (
            ("ssl_client_auth_required", "ssl_client_cafile", "ssl_client_capath"),
            "clients' certificates need an authority (PROMETHEUS_SSL_CLIENT_CAFILE or PROMETHEUS_SSL_CLIENT_CAPATH)",
        )
    if not settings.ssl_enabled and "ssl_enabled" not in settings.places and settings.ssl_keyfile is None:
        yield ("ssl_client_auth_required", "ssl_certfile"), "without TLS (PROMETHEUS_SSL_CERTFILE) nobody is asked"


def _redis(settings: Settings) -> Iterator[Complaint]:
    sentinels, service = settings.redis_sentinel_hosts, settings.redis_sentinel_service
    if bool(sentinels) != (service is not None):
        given = "redis_sentinel_hosts" if sentinels else "redis_sentinel_service"
        yield (
            (given, "redis_sentinel_hosts", "redis_sentinel_service"),
            "REDIS_SENTINEL_HOSTS and REDIS_SENTINEL_SERVICE need each other",
        )
    if settings.redis_cluster and sentinels:
        yield ("redis_cluster", "redis_sentinel_hosts"), "a cluster has no Sentinels (REDIS_SENTINEL_HOSTS)"
    if settings.redis_cluster and settings.redis_db:
        yield ("redis_db", "redis_cluster"), "a cluster (REDIS_CLUSTER) has database 0 only"
    if settings.redis_socket is not None and (settings.redis_cluster or sentinels):
        yield (
            ("redis_socket", "redis_cluster", "redis_sentinel_hosts"),
            "neither a cluster nor Sentinels are reached by a Unix socket",
        )
    if settings.redis_ssl_keyfile is not None and settings.redis_ssl_certfile is None:
        yield ("redis_ssl_keyfile", "redis_ssl_certfile"), "a key needs its certificate (REDIS_SSL_CERTFILE)"
    if settings.redis_scope == "node" and settings.node_name is None:
        yield ("redis_scope", "node_name"), "the scope node needs the node's name (NODE_NAME)"
    if not settings.redis_ttl_disabled and settings.redis_ttl_seconds < 3 * settings.redis_publish_interval:
        yield (
            ("redis_ttl_seconds", "redis_publish_interval"),
            "must be at least three times the publish interval (REDIS_PUBLISH_INTERVAL)",
        )
