"""Whatever has an effect by its variable has the same one by its key in YAML, and by its other key if it has two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gunicorn_prometheus_exporter.settings import kinds, settings_from
from gunicorn_prometheus_exporter.settings.buckets import BUCKETS
from gunicorn_prometheus_exporter.settings.definition import definitions
from gunicorn_prometheus_exporter.settings.families import FAMILIES
from gunicorn_prometheus_exporter.settings.setting import Definition
from gunicorn_prometheus_exporter.settings.yaml_file import read_yaml_file
from tests.e2e.test_settings import yaml_text

DURATION, WAIT = "gunicorn_http_request_duration_seconds", "gunicorn_worker_pool_wait_seconds"
# Values that are written otherwise in YAML, or that not every text is: by variable, and by key.
WRITTEN = (
    (kinds.ADDRESS, "2001:db8::1", "'[2001:db8::1]'"),
    (kinds.REDIS_URL, "rediss://:p%40ss@redis:6380/2", "rediss://:p%40ss@redis:6380/2"),
    (kinds.METHODS, "GET,PURGE", "[GET, PURGE]"),
    (kinds.LABELS, "zone=eu-1a,team=shop", "{zone: eu-1a, team: shop}"),
    (BUCKETS, f"{DURATION}=0.1 0.5,1, {WAIT} = 2", f"{{{DURATION}: [0.1, 0.5, 1, +Inf], {WAIT}: 2}}"),
    (FAMILIES, f"{DURATION}, gunicorn_websocket_*", f"[{DURATION}, gunicorn_websocket_*]"),
    (kinds.ENDPOINTS, "/a,/b/*", "[/a, /b/*]"),
    (kinds.HOSTS, "one:1,[::1]:2", "['one:1', '[::1]:2']"),
)
# What other settings ask for.
COMPANY = {"ssl_certfile": "server.pem", "ssl_client_cafile": "ca.pem"}


def written(definition: Definition) -> tuple[str, str]:
    for kind, variable, key in WRITTEN:
        if definition.kind is kind:
            return variable, key
    if definition.kind is kinds.BOOLEAN:
        return ("no", "false") if definition.default else ("yes", "true")
    one = str(definition.kind.schema.get("maximum", definition.kind.schema.get("enum", ["other text"])[-1]))
    return one, one


@pytest.mark.parametrize("definition", list(definitions()), ids=lambda definition: definition.name)
def test_a_variable_and_a_key(definition: Definition, yaml_file: Callable[[str], Path]) -> None:
    variable, key = written(definition)
    others = [one for one in definitions() if one.name in COMPANY and one is not definition]
    environment = {one.environment: COMPANY[one.name] for one in others}
    expected = getattr(settings_from({**environment, definition.environment: variable}, None), definition.name)
    assert expected != definition.default
    for path in filter(None, (definition.yaml, definition.also)):
        keys = {one.yaml: COMPANY[one.name] for one in others} | {path: yaml.safe_load(key)}
        settings = settings_from({}, read_yaml_file(str(yaml_file(yaml_text(keys)))))
        assert getattr(settings, definition.name) == expected
        assert settings.places[definition.name].name == f"exporter.{path}"
