"""The settings of the metrics endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import ADDRESS, BOOLEAN, PORT, SECRET, TEXT, integer
from .setting import setting


@dataclass(frozen=True)
class EndpointSettings:
    """Where the metrics are served, and to whom."""

    metrics_port: int = setting(
        9091, "prometheus.metrics_port", "PROMETHEUS_METRICS_PORT", PORT, "Port of the metrics endpoint."
    )
    bind_address: str = setting(
        "0.0.0.0",  # noqa: S104 - scraped from other hosts, as documented
        "prometheus.bind_address",
        "PROMETHEUS_BIND_ADDRESS",
        ADDRESS,
        "Address the metrics endpoint listens on.",
    )
    sidecar_mode: bool = setting(
        False, "sidecar_mode", "SIDECAR_MODE", BOOLEAN, "Store metrics but serve none: a sidecar does."
    )
    ssl_enabled: bool = setting(
        False,
        "prometheus.ssl.enabled",
        "PROMETHEUS_SSL_ENABLED",
        BOOLEAN,
        "Serve the metrics over TLS. Naming a certificate turns it on, unless this says false at the same place.",
        also="ssl.enabled",
    )
    ssl_certfile: str | None = setting(
        None,
        "prometheus.ssl.certfile",
        "PROMETHEUS_SSL_CERTFILE",
        TEXT,
        "File with the endpoint's certificate and those of its issuers, in PEM.",
        also="ssl.certfile",
    )
    ssl_keyfile: str | None = setting(
        None,
        "prometheus.ssl.keyfile",
        "PROMETHEUS_SSL_KEYFILE",
        TEXT,
        "File with the certificate's private key. Unset, it is in the certificate's file.",
        also="ssl.keyfile",
    )
    ssl_client_cafile: str | None = setting(
        None,
        "prometheus.ssl.client_cafile",
        "PROMETHEUS_SSL_CLIENT_CAFILE",
        TEXT,
        "File with the authorities that may have issued clients' certificates.",
        also="ssl.client_cafile",
    )
    ssl_client_capath: str | None = setting(
        None,
        "prometheus.ssl.client_capath",
        "PROMETHEUS_SSL_CLIENT_CAPATH",
        TEXT,
        "Directory with such authorities, as OpenSSL's `rehash` makes it.",
        also="ssl.client_capath",
    )
    ssl_client_auth_required: bool = setting(
        False,
        "prometheus.ssl.client_auth_required",
        "PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED",
        BOOLEAN,
        "Refuse clients without a certificate of one of those authorities.",
        also="ssl.client_auth_required",
    )
    web_config_file: str | None = setting(
        None,
        "prometheus.web_config_file",
        "PROMETHEUS_WEB_CONFIG_FILE",
        TEXT,
        "File of the form that Prometheus and its exporters take as --web.config.file: TLS, users, headers.",
    )
    bearer_token: str | None = setting(
        None,
        "prometheus.bearer_token",
        "PROMETHEUS_BEARER_TOKEN",
        SECRET,
        "Token that clients must show as `Authorization: Bearer`. Users of the web configuration need none.",
    )
    bearer_token_file: str | None = setting(
        None,
        "prometheus.bearer_token_file",
        "PROMETHEUS_BEARER_TOKEN_FILE",
        TEXT,
        "File with that token, read again when it changes.",
    )
    health_auth: bool = setting(
        False,
        "prometheus.health_auth",
        "PROMETHEUS_HEALTH_AUTH",
        BOOLEAN,
        "Ask for a password or token at /-/healthy and /-/ready, too.",
    )
    ready_workers: int = setting(
        1,
        "prometheus.ready_workers",
        "PROMETHEUS_READY_WORKERS",
        integer(1, 10_000),
        "Booted workers from which on /-/ready says so; all of them, where there are fewer.",
    )
    status_page: bool = setting(
        True,
        "prometheus.status_page",
        "PROMETHEUS_STATUS_PAGE",
        BOOLEAN,
        "Also serve a page for people, at /, to whom the metrics are served.",
    )
