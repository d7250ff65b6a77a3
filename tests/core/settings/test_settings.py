"""Settings: environment over YAML over defaults, and everything that is wrong in one error."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.settings import Settings, SettingsError, load_yaml_config, read_settings
from gunicorn_prometheus_exporter.settings.definition import definitions


def yaml_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "exporter.yml"
    path.write_text(text)
    return path


def test_documented_defaults() -> None:
    """Nothing set, and a port that users' scrape configurations name."""
    settings = read_settings({})
    assert settings == Settings()
    assert (settings.metrics_port, settings.bind_address, settings.multiproc_dir) == (9091, "0.0.0.0", None)
    assert (settings.cleanup_db_files, settings.sidecar_mode, settings.legacy_metrics) == (True, False, True)


def test_documented_names() -> None:
    """Names that are in users' configurations already."""
    names = {definition.environment: definition.yaml for definition in definitions()}
    assert names["PROMETHEUS_METRICS_PORT"] == "prometheus.metrics_port"
    assert names["PROMETHEUS_BIND_ADDRESS"] == "prometheus.bind_address"
    assert names["PROMETHEUS_MULTIPROC_DIR"] == "prometheus.multiproc_dir"
    assert names["CLEANUP_DB_FILES"] == "cleanup.db_files"
    assert "SIDECAR_MODE" in names


def test_each_setting_has_one_definition() -> None:
    """No two share a name, and each says what it is."""
    known = list(definitions())
    assert len({definition.environment for definition in known}) == len(known)
    assert len({definition.yaml for definition in known}) == len(known)
    assert {definition.name for definition in known} == {field.name for field in dataclasses.fields(Settings)} - {
        "places"
    }
    assert all(definition.help.endswith(".") for definition in known)


def test_environment_over_yaml_over_default(tmp_path: Path) -> None:
    """Each where the one above it is silent; an empty value is silent."""
    load_yaml_config(yaml_file(tmp_path, "exporter: {prometheus: {metrics_port: 9100, bind_address: 127.0.0.1}}"))
    settings = read_settings({"PROMETHEUS_METRICS_PORT": "9200", "PROMETHEUS_BIND_ADDRESS": ""})
    assert (settings.metrics_port, settings.bind_address, settings.cleanup_db_files) == (9200, "127.0.0.1", True)


def test_null_and_empty_mean_unset(tmp_path: Path) -> None:
    """As in the documented example, which has every key."""
    text = 'exporter: {prometheus: {metrics_port: null, bind_address: "", multiproc_dir: }, cleanup: {db_files: null}}'
    load_yaml_config(yaml_file(tmp_path, text))
    assert read_settings({}) == Settings()


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "On", " true "])
def test_words_for_true(word: str) -> None:
    """As people write them."""
    assert read_settings({"SIDECAR_MODE": word}).sidecar_mode is True


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "OFF"])
def test_words_for_false(word: str) -> None:
    """As people write them."""
    assert read_settings({"CLEANUP_DB_FILES": word}).cleanup_db_files is False


def test_all_problems_at_once() -> None:
    """One error with a line for each: the key, the value, and what is allowed."""
    environment = {
        "PROMETHEUS_METRICS_PORT": "70000",
        "CLEANUP_DB_FILES": "perhaps",
        "PROMETHEUS_METHODS": "GET POST",
        "PROMETHEUS_MAX_SERIES": "many",
        "PROMETHEUS_BIND_ADDRESS": "127.0.0.1",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    assert len(caught.value.problems) == 4
    text = str(caught.value)
    assert "PROMETHEUS_METRICS_PORT (environment): '70000' is not a whole number from 1 to 65535" in text
    assert "CLEANUP_DB_FILES (environment): 'perhaps' is not true or false" in text
    assert "PROMETHEUS_METHODS (environment): 'GET POST' is not" in text
    assert "PROMETHEUS_MAX_SERIES (environment): 'many' is not a whole number" in text


def test_all_problems_of_a_file_at_once(tmp_path: Path) -> None:
    """With the file's name, and nothing of the file taken."""
    path = yaml_file(tmp_path, "exporter: {prometheus: {metrics_port: x}, cleanup: {db_files: 7}, sidecar_mode: true}")
    with pytest.raises(SettingsError) as caught:
        load_yaml_config(path)
    assert len(caught.value.problems) == 2
    assert all(str(path) in problem for problem in caught.value.problems)
    assert "exporter.prometheus.metrics_port" in str(caught.value)
    assert "exporter.cleanup.db_files" in str(caught.value)
    assert read_settings({}) == Settings()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "9091.0", "", " ", "0x50", "true"])
def test_ports(port: str) -> None:
    """Only those there are; an empty one is unset."""
    if port == "":
        assert read_settings({"PROMETHEUS_METRICS_PORT": port}).metrics_port == 9091
        return
    with pytest.raises(SettingsError):
        read_settings({"PROMETHEUS_METRICS_PORT": port})


def test_methods() -> None:
    """A list, from YAML or separated by commas."""
    assert read_settings({"PROMETHEUS_METHODS": "GET, POST,PURGE"}).methods == ("GET", "POST", "PURGE")


def test_a_certificate_turns_tls_on(tmp_path: Path) -> None:
    """Wherever it is named, unless the same place says otherwise; a file's example has the switch as well."""
    certificate = {"PROMETHEUS_SSL_CERTFILE": "server.pem"}
    assert read_settings(certificate).ssl_enabled
    assert not read_settings({**certificate, "PROMETHEUS_SSL_ENABLED": "false"}).ssl_enabled
    load_yaml_config(yaml_file(tmp_path, "exporter: {prometheus: {ssl: {enabled: false, certfile: other.pem}}}"))
    assert not read_settings({}).ssl_enabled
    assert read_settings(certificate).ssl_enabled


def test_secrets_are_not_in_the_representation() -> None:
    """It may be logged."""
    settings = read_settings({"REDIS_PASSWORD": "hunter2", "PROMETHEUS_REDIS_URL": "redis://:hunter2@redis"})
    assert settings.redis_password == "hunter2"
    assert "hunter2" not in repr(settings)


def test_settings_are_immutable() -> None:
    """Read once, in force until they are read again."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().metrics_port = 1  # type: ignore[misc]
