"""The JSON Schema for editors accepts what the exporter accepts."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from scripts.settings_reference import schema
from tests.core.settings.test_bad_input import VALUES
from tests.core.settings.test_yaml_file import DOCUMENTED

# What only a whole file or a string's inside shows is beyond a schema.
BEYOND = {
    "a port with a fraction",
    "an address with its port",
    "an address that is a URL with a password",
    "a text of two lines",
    "methods that are none",
    "a constant label that is twice there",
    "a constant label that metrics have",
    "a constant label whose value is two lines",
    "too many constant labels",
    "no methods at all",
    "endpoints that are none",
    "a family with a slip",
    "families of which there are none",
    "buckets that fall",
    "a bucket that is no number",
    "a time that is no number",
    "a URL of something else",
    "a URL with a port that there is not",
    "a sentinel without its port",
    "a key that is there twice",
    "a key that is a list",
    "a tag",
    "both names of a setting",
    "TLS without a certificate",
    "a key without its certificate",
    "clients' certificates of nobody",
    "clients' certificates without TLS",
    "Sentinels without the service",
    "a database in a cluster",
    "a node without a name",
    "instances that are gone before they speak",
}


def complaints(text: str) -> list[Any]:
    document = yaml.safe_load(text)
    return list(jsonschema.Draft7Validator(yaml.safe_load(schema())).iter_errors(document))


@pytest.mark.parametrize("text", [DOCUMENTED, "exporter: {}", "exporter: {redis: , ssl: {certfile: null}}"])
def test_good_files(text: str) -> None:
    """The documented file, and files with next to nothing."""
    assert complaints(text) == []


@pytest.mark.parametrize("kind", sorted(VALUES.keys() - BEYOND))
def test_bad_files(kind: str) -> None:
    """An editor sees most of what the exporter will complain about."""
    assert complaints(f"exporter:\n  {VALUES[kind][0]}\n")


def test_the_schema_is_one() -> None:
    """Of the draft that it says."""
    jsonschema.Draft7Validator.check_schema(yaml.safe_load(schema()))
