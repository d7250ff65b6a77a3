"""The settings of storage in Redis."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import ADDRESS, BOOLEAN, HOSTS, PORT, REDIS_URL, SECRET, TEXT, choice, integer, seconds
from .setting import setting


@dataclass(frozen=True)
class RedisSettings:
    """Which Redis, how to reach it, and what is shared there."""

    redis_enabled: bool = setting(
        False, "redis.enabled", "REDIS_ENABLED", BOOLEAN, "Share the metrics through Redis. No files are written then."
    )
    redis_host: str = setting("127.0.0.1", "redis.host", "REDIS_HOST", ADDRESS, "Host of the Redis server.")
    redis_port: int = setting(6379, "redis.port", "REDIS_PORT", PORT, "Port of the Redis server.")
    redis_db: int = setting(0, "redis.db", "REDIS_DB", integer(0, 65535), "Number of the Redis database.")
    redis_username: str | None = setting(None, "redis.username", "REDIS_USERNAME", TEXT, "Name of the ACL user.")
    redis_password: str | None = setting(None, "redis.password", "REDIS_PASSWORD", SECRET, "Password.")
    redis_url: str | None = setting(
        None,
        "redis.url",
        "PROMETHEUS_REDIS_URL",
        REDIS_URL,
        "URL of the server, such as `rediss://user:password@host:6380/0`; its parts win over the settings above.",
    )
    redis_socket: str | None = setting(
        None, "redis.socket", "REDIS_SOCKET", TEXT, "Path of the server's Unix socket, instead of host and port."
    )
    redis_ssl: bool = setting(False, "redis.ssl.enabled", "REDIS_SSL", BOOLEAN, "Talk to Redis over TLS.")
    redis_ssl_ca_certs: str | None = setting(
        None,
        "redis.ssl.ca_certs",
        "REDIS_SSL_CA_CERTS",
        TEXT,
        "File with the authorities that may have issued Redis' certificate. Unset, the system's.",
    )
    redis_ssl_certfile: str | None = setting(
        None, "redis.ssl.certfile", "REDIS_SSL_CERTFILE", TEXT, "File with the certificate to show to Redis."
    )
    redis_ssl_keyfile: str | None = setting(
        None, "redis.ssl.keyfile", "REDIS_SSL_KEYFILE", TEXT, "File with that certificate's private key."
    )
    redis_sentinel_hosts: tuple[tuple[str, int], ...] = setting(
        (), "redis.sentinel.hosts", "REDIS_SENTINEL_HOSTS", HOSTS, "Sentinels to ask for the server, as host:port."
    )
    redis_sentinel_service: str | None = setting(
        None, "redis.sentinel.service", "REDIS_SENTINEL_SERVICE", TEXT, "Name by which the Sentinels know the server."
    )
    redis_sentinel_password: str | None = setting(
        None, "redis.sentinel.password", "REDIS_SENTINEL_PASSWORD", SECRET, "Password of the Sentinels themselves."
    )
    redis_cluster: bool = setting(
        False, "redis.cluster", "REDIS_CLUSTER", BOOLEAN, "The server is a node of a Redis Cluster."
    )
    redis_timeout: float = setting(
        2.0, "redis.timeout", "REDIS_TIMEOUT", seconds(0.05, 60), "Seconds to wait for a connection or an answer."
    )
    redis_key_prefix: str = setting(
        "gunicorn", "redis.key_prefix", "REDIS_KEY_PREFIX", TEXT, "What the names of all keys begin with."
    )
    redis_ttl_seconds: int = setting(
        300,
        "redis.ttl_seconds",
        "REDIS_TTL_SECONDS",
        integer(1, 31_536_000),
        "After how many seconds without a sign of life an instance counts as gone.",
    )
    redis_ttl_disabled: bool = setting(
        False, "redis.ttl_disabled", "REDIS_TTL_DISABLED", BOOLEAN, "No instance ever counts as gone."
    )
    redis_publish_interval: float = setting(
        1.0,
        "redis.publish_interval",
        "REDIS_PUBLISH_INTERVAL",
        seconds(0.05, 60),
        "Seconds between two copies of what changed to Redis.",
    )
    redis_scope: str | None = setting(
        None,
        "redis.scope",
        "REDIS_SCOPE",
        choice("instance", "node", "fleet"),
        "What the metrics endpoint shows: this instance, all of its node, or all that share the key prefix. "
        "Unset: a server's own endpoint shows its instance, `serve` the fleet.",
    )
    redis_instance_label: bool = setting(
        False,
        "redis.instance_label",
        "REDIS_INSTANCE_LABEL",
        BOOLEAN,
        "Show each instance by itself, with a label instance_id, instead of their sum.",
    )
    redis_instance_id: str | None = setting(
        None,
        "redis.instance_id",
        "PROMETHEUS_INSTANCE_ID",
        TEXT,
        "Name of this instance, which no other may have at the same time. Unset: the pod's name, else the host's.",
    )
    node_name: str | None = setting(
        None, "node_name", "NODE_NAME", TEXT, "Name of the node that this instance runs on, for the scope node."
    )
