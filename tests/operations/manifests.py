"""What the manifests of k8s/ and of the chart would give to a container, for starting it here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Manifest = dict[str, Any]
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")


def one(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The only object of that kind and name."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name and the pod template of each workload."""
    for each in objects:
        if each["kind"] in WORKLOADS:
            yield each["metadata"]["name"], each["spec"]["template"]


def container(objects: list[Manifest], kind: str, name: str, container_name: str) -> Manifest:
    """A container of a workload."""
    containers = one(objects, kind, name)["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == container_name)


def environment(given: Manifest, fields: Mapping[str, str], secrets: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """The variables of a container. ``fields`` are what the pod is: spec.nodeName, ...; ``secrets`` by name and key.

    Raises KeyError for what is neither.
    """
    values = {}
    for variable in given.get("env", []):
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            values[variable["name"]] = fields[source["fieldRef"]["fieldPath"]]
        elif "secretKeyRef" in source:
            values[variable["name"]] = secrets[source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]]
        else:
            values[variable["name"]] = variable["value"]
    return values


def arguments(given: Manifest, variables: Mapping[str, str]) -> list[str]:
    """The arguments of a container, with $(NAME) replaced as the kubelet does."""
    return [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], each) for each in given.get("args", [])]


def probes(given: Manifest) -> Iterator[tuple[str, int]]:
    """Path and port of each HTTP probe of a container."""
    ports = {port["name"]: port["containerPort"] for port in given["ports"]}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = given.get(name, {}).get("httpGet")
        if asked is not None:
            yield asked["path"], ports.get(asked["port"], asked["port"])
