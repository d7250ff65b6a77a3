"""Reading settings: environment over YAML over defaults, with all problems in one error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .definition import Settings, definitions
from .errors import SettingsError, shown
from .setting import Definition
from .yaml_file import Entry, YamlFile, read_yaml_file

_file: YamlFile | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The settings in force, and the place that each which is not its default came from, by its name."""

    settings: Settings
    places: Mapping[str, str]


def load_yaml_config(path: str | os.PathLike[str]) -> None:
    """Take the settings in the YAML file ``path`` as this process's own, under the environment.

    Meant for ``gunicorn.conf.py``; a reload of Gunicorn's configuration reads the file again. Raises SettingsError,
    which lists every problem, if the file cannot be read or holds something that is no setting.
    """
    global _file
    file = read_yaml_file(os.path.abspath(path))
    if problems := _problems_of(file):
        raise SettingsError(problems)
    _file = file


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in force. An empty value counts as unset. Raises SettingsError."""
    return read(environment, _file).settings


def read(environment: Mapping[str, str], file: YamlFile | None) -> Reading:
    """The settings that ``environment`` and ``file`` make. Raises SettingsError."""
    problems = [] if file is None else _problems_of(file)
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for definition in definitions():
        entry = _from_environment(definition, environment)
        if entry is None:
            entry = None if file is None else _from_file(definition, file)
        elif problem := _problem(definition, entry):
            problems.append(problem)
        if entry is not None and _problem(definition, entry) is None:
            values[definition.name] = definition.kind.parse(entry.raw)
            places[definition.name] = entry.place
    if problems:
        raise SettingsError(problems)
    _turn_tls_on(values, places)
    return Reading(Settings(**values), places)


def _from_environment(definition: Definition, environment: Mapping[str, str]) -> Entry | None:
    raw = environment.get(definition.environment, "")
    if raw == "" or definition.kind.is_foreign(raw):
        return None
    return Entry(raw, f"{definition.environment} (environment)")


def _from_file(definition: Definition, file: YamlFile) -> Entry | None:
    """What ``file`` says under either name: under the first one, unless that only repeats the default."""
    first, second = file.entries.get(definition.yaml), file.entries.get(definition.also)
    if first is None or (second is not None and _is_default(definition, first)):
        return second
    return first


def _is_default(definition: Definition, entry: Entry) -> bool:
    return _problem(definition, entry) is None and definition.kind.parse(entry.raw) == definition.default


def _problems_of(file: YamlFile) -> list[str]:
    problems = list(file.problems)
    for definition in definitions():
        entries = [file.entries[path] for path in (definition.yaml, definition.also) if path in file.entries]
        wrong = [problem for entry in entries if (problem := _problem(definition, entry))]
        problems += wrong
        if len(entries) == 2 and not wrong:
            values = {definition.kind.parse(entry.raw) for entry in entries} - {definition.default}
            if len(values) == 2:
                problems.append(f"{entries[1].place}: is not what {entries[0].place} says, and both are one setting")
    return problems


def _problem(definition: Definition, entry: Entry) -> str | None:
    try:
        definition.kind.parse(entry.raw)
    except (TypeError, ValueError):
        value = shown(entry.raw, secret=definition.kind.secret)
        return f"{entry.place}: {value} is not {definition.kind.allowed}"
    return None


def _turn_tls_on(values: dict[str, Any], places: dict[str, str]) -> None:
    """Whoever names a certificate wants TLS: also in the environment of a file that says ``enabled: false``."""
    if "ssl_certfile" not in values:
        return
    switch, certificate = places.get("ssl_enabled", ""), places["ssl_certfile"]
    if not switch or (certificate.endswith("(environment)") and not switch.endswith("(environment)")):
        values["ssl_enabled"], places["ssl_enabled"] = True, certificate
