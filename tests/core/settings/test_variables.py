"""The environment is shared with applications and with what starts containers: theirs must not stop a start."""

from __future__ import annotations

import pytest

from gunicorn_prometheus_exporter.settings import Settings, SettingsError, settings_from
from gunicorn_prometheus_exporter.settings.variables import remarks

# What Kubernetes gives to every container of a namespace that has a Service named "redis".
KUBERNETES = {
    "REDIS_PORT": "tcp://10.0.0.1:6379",
    "REDIS_SERVICE_HOST": "10.0.0.1",
    "REDIS_SERVICE_PORT": "6379",
    "REDIS_SERVICE_PORT_REDIS": "6379",
    "REDIS_PORT_6379_TCP": "tcp://10.0.0.1:6379",
    "REDIS_PORT_6379_TCP_PROTO": "tcp",
    "REDIS_PORT_6379_TCP_PORT": "6379",
    "REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
}


def said_of(environment: dict[str, str]) -> list[str]:
    return list(remarks(environment, settings_from(environment, None)))


@pytest.mark.parametrize("enabled", ["false", "true"])
def test_a_service_named_redis(enabled: str) -> None:
    """Its REDIS_PORT is no port, and nobody has set it; where Redis is used, that is said."""
    environment = {"REDIS_ENABLED": enabled, **KUBERNETES}
    assert settings_from(environment, None).redis_port == 6379
    said = said_of(environment)
    assert len(said) == (enabled == "true")
    assert all("'tcp://10.0.0.1:6379' is the address of a service" in remark for remark in said)


def test_a_service_named_as_the_endpoints_port() -> None:
    """The same for a Service named "prometheus-metrics"."""
    assert settings_from({"PROMETHEUS_METRICS_PORT": "tcp://10.0.0.1:80"}, None).metrics_port == 9091


def test_the_applications_own_redis() -> None:
    """Without REDIS_ENABLED, what these variables say is between an application and its Redis."""
    environment = {"REDIS_DB": "sessions", "REDIS_TIMEOUT": "5s", "REDIS_SSL": "required", "REDIS_HOSTS": "a,b"}
    assert settings_from(environment, None) == Settings()
    assert said_of(environment) == []
    with pytest.raises(SettingsError) as caught:
        settings_from({**environment, "REDIS_ENABLED": "yes"}, None)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [("REDIS_ENABLE", "REDIS_ENABLED"), ("GUNICORN_WORKER", "GUNICORN_WORKERS"), ("SIDECAR_MOD", "SIDECAR_MODE")],
)
def test_slips_in_shared_names(name: str, meant: str) -> None:
    """They may be right, so they are remarked on, and stop nothing."""
    assert said_of({name: "1"}) == [f"{name} (environment): is no setting of the exporter; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    ["PROMETHEUS_URL", "PROMETHEUS_PUSHGATEWAY", "PROMETHEUS_DISABLE_CREATED_SERIES", "REDIS_URL", "GUNICORN_CMD_ARGS"],
)
def test_others_names(name: str) -> None:
    """Variables that only begin as ours do."""
    assert settings_from({name: "x"}, None) == Settings()
    assert said_of({name: "x", "REDIS_ENABLED": "1"}) == []
