"""The chart: linted, its values checked by the schema, and the same containers as the overlays have."""

from __future__ import annotations

import pytest

from scripts import manifests
from tests.e2e.harness import ROOT
from tests.operations.chart import CHART, render, run
from tests.operations.manifests import Manifest, container

# Mode of the chart, overlay, and the workload with the exporter in each.
SAME = [
    ("endpoint", "plain", ("Deployment", "app", "app")),
    ("sidecar", "sidecar", ("Deployment", "app", "app")),
    ("sidecar", "sidecar", ("Deployment", "app", "exporter")),
    ("daemonset", "daemonset", ("DaemonSet", "exporter", "exporter")),
    ("daemonset", "daemonset", ("Deployment", "app", "app")),
    ("fleet", "redis-fleet", ("Deployment", "exporter", "exporter")),
    ("fleet", "redis-fleet", ("StatefulSet", "redis", "redis")),
]
REFUSED = {
    "mode=pod": "mode",
    "app.replcas=2": "replcas",
    "app.workers=0": "workers",
    "app.user=0": "user",
    "autoscaling.busyRatio=60": "busyRatio",
    "monitor.interval=soon": "interval",
    "mode=fleet,redis.deploy=false": "redis.host is needed",
    "mode=fleet,autoscaling.enabled=true": "autoscaling needs the mode",
}


def test_lint() -> None:
    said = run("lint", "--strict", str(CHART))
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("values", REFUSED)
def test_values_that_cannot_be_are_refused(values: str) -> None:
    """By the schema, or by the chart, with the name of the value."""
    said = run("template", "web", str(CHART), "--set", values)
    assert said.returncode != 0
    assert REFUSED[values] in said.stderr


@pytest.mark.parametrize(("mode", "overlay", "place"), SAME)
def test_the_chart_and_the_overlay_have_the_same_container(
    mode: str, overlay: str, place: tuple[str, str, str]
) -> None:
    """But for names, which are the release's, and images."""
    kind, name, inner = place
    ours = container(manifests.build(ROOT / "k8s" / "overlays" / overlay), kind, name, inner)
    charts = container(render([f"mode={mode}"]), kind, f"web-{name}", inner)
    assert _comparable(charts) == _comparable(ours)


def _comparable(given: Manifest) -> Manifest:
    variables = {one["name"]: one for one in given["env"] if one["name"] not in ("REDIS_PORT", "REDIS_KEY_PREFIX")}
    for one in variables.values():
        if one["name"] == "REDIS_HOST":
            one["value"] = one["value"].removeprefix("web-")
        secret = one.get("valueFrom", {}).get("secretKeyRef")
        if secret is not None:
            secret["name"] = secret["name"].replace("web-", "gunicorn-")
    probes = {
        name: {key: value for key, value in given[name].items() if key in ("httpGet", "tcpSocket", "periodSeconds")}
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
        if name in given
    }
    mounts = {one["mountPath"]: one for one in given.get("volumeMounts", [])}
    return {
        "env": variables,
        "probes": probes,
        "mounts": mounts,
        **{key: given.get(key) for key in ("ports", "securityContext")},
        "args": [each for each in given.get("args", []) if each not in ("--port", "6379")],
    }


def test_the_rules_and_the_dashboard_are_those_of_monitoring() -> None:
    objects = render(["rules.enabled=true", "dashboard.enabled=true"])
    (rules,) = (each for each in objects if each["kind"] == "PrometheusRule")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    written = (ROOT / "monitoring" / "prometheus" / "rules" / "gunicorn-alerts.yml").read_text()
    assert len(alerts) == written.count("- alert:") > 0
    # Prometheus' own templates are left alone by Helm's.
    assert any("{{ $" in annotation for rule in alerts for annotation in rule["annotations"].values())
    (board,) = (each for each in objects if each["kind"] == "ConfigMap")
    assert (
        board["data"]["gunicorn.json"].strip()
        == (ROOT / "monitoring" / "grafana" / "gunicorn.json").read_text().strip()
    )
