"""Reading settings: environment over YAML over defaults, with all problems in one error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import yaml

from .definition import Definition, Settings, definitions
from .errors import SettingsError

_loaded: dict[str, Any] = {}
_loaded_from = ""


def load_yaml_config(path: str | os.PathLike[str]) -> None:
    """Take the settings in the YAML file ``path`` as this process's own, under the environment.

    Meant for ``gunicorn.conf.py``; a reload of Gunicorn's configuration reads the file again. Raises SettingsError,
    which lists every problem, if the file cannot be read or holds something that is no setting.
    """
    global _loaded, _loaded_from
    values, problems = _parse_file(os.fspath(path))
    if problems:
        raise SettingsError(problems)
    _loaded, _loaded_from = values, os.fspath(path)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in force. An empty value counts as unset. Raises SettingsError."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for definition in definitions():
        if environment.get(definition.environment, "") != "":
            raw: Any = environment[definition.environment]
            where = f"{definition.environment} (environment)"
        elif definition.yaml in _loaded:
            raw = _loaded[definition.yaml]
            where = f"exporter.{definition.yaml} ({_loaded_from})"
        else:
            continue
        try:
            values[definition.name] = definition.kind.parse(raw)
        except (TypeError, ValueError):
            problems.append(_problem(where, raw, definition))
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _problem(where: str, raw: Any, definition: Definition) -> str:
    return f"{where}: {raw!r} is not {definition.kind.allowed}"


def _parse_file(path: str) -> tuple[dict[str, Any], list[str]]:
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{path}: cannot be read: {error}"]
    except yaml.YAMLError as error:
        return {}, [f"{path}: is not YAML: {' '.join(str(error).split())}"]
    if not isinstance(document, dict) or not isinstance(document.get("exporter"), dict):
        return {}, [f"{path}: has no mapping 'exporter' at its top level"]
    known = {definition.yaml: definition for definition in definitions()}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, raw in _leaves(document["exporter"], ""):
        if raw is None or raw == "":
            continue
        if key in known:
            values[key] = raw
    for key, raw in values.items():
        try:
            known[key].kind.parse(raw)
        except (TypeError, ValueError):
            problems.append(_problem(f"exporter.{key} ({path})", raw, known[key]))
    return values, problems


def _leaves(mapping: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in mapping.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            found.extend(_leaves(value, f"{path}."))
        else:
            found.append((path, value))
    return found
