"""Reading settings: environment over YAML over defaults, with all problems in one error."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

from .config_file import asking, configuration_file, is_executing, reloading
from .consistency import complaints
from .definition import Settings, definitions
from .errors import SettingsError, shown
from .kinds import Mistake
from .setting import Definition, Entry, Place
from .variables import entry_of, misspelt
from .yaml_file import YamlFile, read_yaml_file


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A file, and the execution of Gunicorn's configuration that asked for it, None if it was something else."""

    file: YamlFile
    by: ModuleType | None


_loaded: _Loaded | None = None


def load_yaml_config(path: str | os.PathLike[str]) -> None:
    """Take the settings in the YAML file ``path`` as this process's own, under the environment.

    Meant for ``gunicorn.conf.py``; a reload of Gunicorn's configuration reads the file again, and if the last one
    that was loaded is not loaded again, its settings are gone. Raises SettingsError, which lists every problem, if the
    file cannot be read or holds something that is no setting.

    Gunicorn would print a traceback for that, so where its configuration file is being executed this ends the process
    with the same message; and in a reload, which must not end a server, the master says it and goes on as before.
    """
    global _loaded
    file = read_yaml_file(os.path.abspath(path))
    if not reloading() and (problems := list(_problems_of(file))):
        problems += _problems_with(os.environ, file)
        error = SettingsError(problems)
        if is_executing():
            raise SystemExit(f"\nError: {error}")
        raise error
    _loaded = _Loaded(file, asking())


def read_settings(environment: Mapping[str, str], *, again: bool = False) -> Settings:
    """The settings that ``environment`` and the loaded file make, which is read ``again`` if so said.

    An empty value counts as unset. Raises SettingsError.
    """
    global _loaded
    if _loaded is not None and _loaded.by not in (None, configuration_file()):
        _loaded = None
    if _loaded is not None and again:
        _loaded = _Loaded(read_yaml_file(_loaded.file.path), _loaded.by)
    return settings_from(environment, None if _loaded is None else _loaded.file)


def settings_from(environment: Mapping[str, str], file: YamlFile | None) -> Settings:
    """The settings that ``environment`` and ``file`` make. Raises SettingsError."""
    problems = [] if file is None else list(_problems_of(file))
    problems += _problems_with(environment, file)
    if problems:
        raise SettingsError(problems)
    return _Choice(environment, file).settings


class _Choice:
    """For each setting, the entry that counts, with what is wrong about those of the environment and their sum."""

    def __init__(self, environment: Mapping[str, str], file: YamlFile | None) -> None:
        self._values: dict[str, Any] = {}
        self._places: dict[str, Place] = {}
        self._wrong: dict[str, str] = {}
        self._unclear: set[str] = set()
        for definition in definitions():
            self._choose(definition, entry_of(definition, environment), file)
        self._turn_tls_on()
        self.settings = Settings(**self._values, places=MappingProxyType(self._places))

    def problems(self) -> Iterator[str]:
        redis = self.settings.redis_enabled or "redis_enabled" in self._wrong
        for problem in self._wrong.values():
            # Applications have such variables too, with whatever they like in them.
            if redis or not problem.startswith("REDIS_"):
                yield problem
        for names, complaint in complaints(self.settings):
            if self._unclear.isdisjoint(names):
                yield f"{self.settings.place(names[0])}: {complaint}"

    def _choose(self, definition: Definition, entry: Entry | None, file: YamlFile | None) -> None:
        if entry is not None and (problem := _problem(definition, entry)):
            self._wrong[definition.name] = problem
            self._unclear.add(definition.name)
            entry = None
        if entry is None and file is not None:
            entry = _from_file(definition, file)
        if entry is not None and _problem(definition, entry):
            self._unclear.add(definition.name)
        elif entry is not None:
            self._values[definition.name] = definition.kind.parse(entry.raw)
            self._places[definition.name] = entry.place

    def _turn_tls_on(self) -> None:
        """Whoever names a certificate wants TLS: also in the environment of a file that says ``enabled: false``."""
        certificate, switch = self._places.get("ssl_certfile"), self._places.get("ssl_enabled")
        if certificate is None:
            return
        if switch is None or (certificate.is_variable and not switch.is_variable):
            self._values["ssl_enabled"], self._places["ssl_enabled"] = True, certificate


def _problems_with(environment: Mapping[str, str], file: YamlFile | None) -> list[str]:
    return [*misspelt(environment), *_Choice(environment, file).problems()]


def _problems_of(file: YamlFile) -> Iterator[str]:
    yield from file.problems
    for definition in definitions():
        entries = [file.entries[path] for path in (definition.yaml, definition.also) if path in file.entries]
        wrong = [problem for entry in entries if (problem := _problem(definition, entry))]
        yield from wrong
        if len(entries) == 2 and not wrong:
            values = {definition.kind.parse(entry.raw) for entry in entries} - {definition.default}
            if len(values) == 2:
                yield f"{entries[1].place}: is not what {entries[0].place} says, and both are one setting"


def _from_file(definition: Definition, file: YamlFile) -> Entry | None:
    """What ``file`` says under either name: under the first one, unless that only repeats the default."""
    first, second = file.entries.get(definition.yaml), file.entries.get(definition.also)
    if first is None or (second is not None and _is_default(definition, first)):
        return second
    return first


def _is_default(definition: Definition, entry: Entry) -> bool:
    return _problem(definition, entry) is None and bool(definition.kind.parse(entry.raw) == definition.default)


def _problem(definition: Definition, entry: Entry) -> str | None:
    try:
        definition.kind.parse(entry.raw)
    except Mistake as mistake:
        return f"{entry.place}: {mistake}"
    except (TypeError, ValueError):
        value = shown(entry.raw, secret=definition.kind.secret)
        return f"{entry.place}: {value} is not {definition.kind.allowed}"
    return None
