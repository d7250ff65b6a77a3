"""k8s/ and the chart: rendered, valid for Kubernetes and its operator, restricted, and consistent in themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scripts import manifests
from tests.e2e.harness import ROOT
from tests.operations.chart import VARIANTS, render
from tests.operations.manifests import WORKLOADS, Manifest, pods

K8S = ROOT / "k8s"
KUSTOMIZATIONS = [*sorted((K8S / "overlays").iterdir()), K8S / "monitoring"]
# The oldest that is kept up, nearly, and the newest whose schemas there are.
VERSIONS = ("1.32", "1.37")


@cache
def built(source: Path | str) -> list[Manifest]:
    return render(VARIANTS[source]) if isinstance(source, str) else manifests.build(source)


SOURCES = [pytest.param(each, id=each if isinstance(each, str) else each.name) for each in (*KUSTOMIZATIONS, *VARIANTS)]


def is_custom(each: Manifest) -> bool:
    return str(each["apiVersion"]).startswith("monitoring.coreos.com/")


@pytest.mark.parametrize("source", SOURCES)
def test_valid_for_kubernetes(source: Path | str) -> None:
    """Strictly: no field that Kubernetes does not know."""
    objects = [each for each in built(source) if not is_custom(each)]
    assert objects
    for version in VERSIONS:
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.timeout(240)
def test_valid_for_the_operator() -> None:
    """What comes out of the operator's types is what went in: no field is unknown to them."""
    from cloudcoil.models.prometheus_operator import v1

    found = {str(each): each for source in (*KUSTOMIZATIONS, *VARIANTS) for each in built(source) if is_custom(each)}
    assert {each["kind"] for each in found.values()} == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    for each in found.values():
        model = getattr(v1, each["kind"]).model_validate(each)
        assert _plain(model.model_dump(mode="json", by_alias=True, exclude_none=True)) == _plain(each)


def _plain(value: Any) -> Any:
    """Without the difference between a number and its text, and without what is empty."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner not in ({}, [], None)}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value)


@pytest.mark.parametrize("source", SOURCES)
def test_every_pod_is_restricted(source: Path | str) -> None:
    """The rules of the pod security standard `restricted`, and a root file system that cannot be written."""
    for name, pod in pods(built(source)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        volumes = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
        assert volumes <= {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}, name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name
            assert container["livenessProbe"], name


@pytest.mark.parametrize("source", SOURCES)
def test_selectors_and_names_lead_somewhere(source: Path | str) -> None:
    """Whatever selects pods selects some, by names of ports that they have; claims and mounts have their volumes."""
    objects = built(source)
    labelled = [pod for _, pod in pods(objects)]
    assert labelled
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            chosen = list(_chosen(labelled, spec["selector"]))
            assert chosen, each["metadata"]["name"]
            for port in spec["ports"]:
                assert all(port["targetPort"] in _ports(pod) for pod in chosen), each["metadata"]["name"]
        elif each["kind"] in (*WORKLOADS, "PodDisruptionBudget", "PodMonitor"):
            assert list(_chosen(labelled, spec["selector"]["matchLabels"])), each["metadata"]["name"]
        elif each["kind"] == "NetworkPolicy":
            assert list(_chosen(labelled, spec["podSelector"]["matchLabels"])), each["metadata"]["name"]
        elif each["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            (scaled,) = (
                one for one in objects if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
            )
            assert "replicas" not in scaled["spec"]
        if each["kind"] == "PodMonitor":
            chosen = list(_chosen(labelled, spec["selector"]["matchLabels"]))
            assert all(one["port"] in _ports(pod) for one in spec["podMetricsEndpoints"] for pod in chosen)
        if each["kind"] == "ServiceMonitor":
            services = [
                one
                for one in objects
                if one["kind"] == "Service"
                and spec["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
            ]
            named = {port["name"] for one in services for port in one["spec"]["ports"]}
            assert services
            assert all(one["port"] in named for one in spec["endpoints"])
    _check_volumes(objects)


def _check_volumes(objects: list[Manifest]) -> None:
    maps = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    for each in objects:
        if each["kind"] not in WORKLOADS:
            continue
        spec = each["spec"]["template"]["spec"]
        there = {volume["name"] for volume in spec.get("volumes", [])}
        there |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
        assert mounted == there, each["metadata"]["name"]
        assert {volume["configMap"]["name"] for volume in spec.get("volumes", []) if "configMap" in volume} <= maps


def _chosen(labelled: list[Manifest], selector: dict[str, str]) -> Iterator[Manifest]:
    return (pod for pod in labelled if selector.items() <= pod["metadata"]["labels"].items())


def _ports(pod: Manifest) -> set[str]:
    return {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}


@pytest.mark.parametrize("overlay", ["plain", "sidecar", "daemonset", "redis-fleet"])
def test_each_request_is_scraped_once(overlay: str) -> None:
    """Where an exporter shows the sum of all pods, they are not scraped as well."""
    asked = {
        name
        for name, pod in pods(built(K8S / "overlays" / overlay))
        if (pod["metadata"].get("annotations") or {}).get("prometheus.io/scrape") == "true"
    }
    assert asked == ({"app"} if overlay in ("plain", "sidecar") else {"exporter"})


def test_the_single_files_are_current() -> None:
    """`make manifests` writes them."""
    for name, text in manifests.rendered().items():
        assert (K8S / name).read_text() == text, name


def test_prometheus_takes_its_configuration(promtool: Path, tmp_path: Path) -> None:
    """Of k8s/ and of compose.yaml, with the rules it names."""
    objects = built(K8S / "monitoring")
    maps = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    rules = next(data for name, data in maps.items() if name.startswith("gunicorn-rules"))
    for name, text in rules.items():
        (tmp_path / name).write_text(text)
    compose = (ROOT / "docker" / "prometheus.yml").read_text()
    cluster = next(data for name, data in maps.items() if name.startswith("prometheus-config"))["prometheus.yml"]
    for text, place in ((compose, "/etc/prometheus/rules"), (cluster, "/etc/prometheus-rules")):
        assert place in text
        configuration = yaml.safe_load(text.replace(place, str(tmp_path)))
        for job in configuration["scrape_configs"]:
            # Debian's Prometheus is built without the discovery of clouds.
            if job.pop("kubernetes_sd_configs", None):
                job["static_configs"] = [{"targets": ["127.0.0.1:9091"]}]
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        command = [str(promtool), "check", "config", str(tmp_path / "prometheus.yaml")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        assert said.stdout.count("rules found") == len(rules)


def test_the_autoscaler_scales_by_the_adapters_metric() -> None:
    rule = yaml.safe_load((K8S / "prometheus-adapter-values.yaml").read_text())["rules"]["custom"][0]
    for source in (K8S / "overlays" / "operator-sidecar", "everything"):
        (scaler,) = (each for each in built(source) if each["kind"] == "HorizontalPodAutoscaler")
        assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == rule["name"]["as"]
