"""Writes what is known about the settings from their definitions: docs/settings.md and the JSON Schema for editors.

Usage: ``python scripts/settings_reference.py`` writes them; with ``--check`` it only says whether they are current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gunicorn_prometheus_exporter.settings import Settings
from gunicorn_prometheus_exporter.settings.definition import definitions
from gunicorn_prometheus_exporter.settings.errors import written
from gunicorn_prometheus_exporter.settings.setting import Definition, definitions_of

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "settings.md"
# In the package for those who have installed it, and at the documentation for those who have not.
SCHEMAS: Final = (
    ROOT / "core" / "gunicorn_prometheus_exporter" / "settings" / "schema.json",
    ROOT / "docs" / "gunicorn-prometheus-exporter.schema.json",
)

_INTRODUCTION: Final = """\
# Settings

<!-- Written by `make reference` from core/gunicorn_prometheus_exporter/settings/. Do not edit. -->

Each setting has a key below `exporter` in the YAML file that `load_yaml_config` reads, and an environment variable,
which wins. [Configuration](configuration.md) says how they are read, and what the messages mean. The value of a
*secret* is shown nowhere.
"""

_TITLES: Final = {
    "EndpointSettings": "The metrics endpoint",
    "MetricsSettings": "Metrics and where they are kept",
    "RecordingSettings": "What is recorded",
    "PresentationSettings": "How it is shown",
    "RedisSettings": "Redis",
    "GunicornSettings": "Gunicorn's own",
}
_UNSET: Final = {"enum": [None, ""]}


def reference() -> str:
    """The page as text."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for group in reversed(Settings.__bases__):
        yield f"## {_TITLES[group.__name__]}\n"
        yield f"{' '.join((group.__doc__ or '').split())}\n"
        yield "| key | variable | default | allowed | meaning |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_row, definitions_of(group))
        yield ""


def _row(definition: Definition) -> str:
    key = f"`{definition.yaml}`" + (f" or `{definition.also}`" if definition.also else "")
    text = written(definition.default)
    allowed = definition.kind.allowed + (", secret" if definition.kind.secret else "")
    default = f"`{text}`" if text else "unset"
    return f"| {key} | `{definition.environment}` | {default} | {allowed} | {definition.help} |"


def schema() -> str:
    """The JSON Schema (draft 7, which editors know best) of the YAML file."""
    exporter = _group()
    for definition in definitions():
        for path in filter(None, (definition.yaml, definition.also)):
            *groups, name = path.split(".")
            group = exporter
            for one in groups:
                group = group["properties"].setdefault(one, _group())
            group["properties"][name] = _leaf(definition)
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of gunicorn-prometheus-exporter",
        "type": "object",
        "required": ["exporter"],
        "properties": {"exporter": exporter},
    }
    return json.dumps(document, indent=2) + "\n"


def _group() -> dict[str, Any]:
    # A group may be left empty, which is null in YAML.
    return {"type": ["object", "null"], "additionalProperties": False, "properties": {}}


def _leaf(definition: Definition) -> Mapping[str, Any]:
    leaf: dict[str, Any] = {
        "description": f"{definition.help} Allowed: {definition.kind.allowed}. Variable: {definition.environment}.",
        "anyOf": [definition.kind.schema, _UNSET],
    }
    if definition.default is not None:
        leaf["default"] = _plain(definition.default)
    return leaf


def _plain(default: Any) -> Any:
    return [written(one) for one in default] if isinstance(default, tuple) else default


def main() -> int:
    """Write the files, or check them. Returns the exit status."""
    wanted = {PAGE: reference(), **{path: schema() for path in SCHEMAS}}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            sys.stderr.write(f"{path} is stale: run make reference\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
