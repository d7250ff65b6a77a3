"""Every kind of bad input gives its one line: where it is, what it says, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gunicorn_prometheus_exporter.settings import SettingsError, kinds, settings_from
from gunicorn_prometheus_exporter.settings.buckets import BUCKETS
from gunicorn_prometheus_exporter.settings.yaml_file import read_yaml_file

# What is below `exporter` in a file, from its second line on, and the line about it.
VALUES = {
    "a port that is a word": (
        "prometheus: {metrics_port: many}",
        "exporter.prometheus.metrics_port (exporter.yml:2): 'many' is not a whole number from 1 to 65535",
    ),
    "a port that there is not": (
        "prometheus:\n    metrics_port: 70000",
        "exporter.prometheus.metrics_port (exporter.yml:3): '70000' is not a whole number from 1 to 65535",
    ),
    "a port with a fraction": (
        "prometheus: {metrics_port: 9091.0}",
        "exporter.prometheus.metrics_port (exporter.yml:2): '9091.0' is not a whole number from 1 to 65535",
    ),
    "a port that is true": (
        "prometheus: {metrics_port: true}",
        "exporter.prometheus.metrics_port (exporter.yml:2): 'true' is not a whole number from 1 to 65535",
    ),
    "a port in a list": (
        "prometheus: {metrics_port: [9091]}",
        "exporter.prometheus.metrics_port (exporter.yml:2): ['9091'] is not a whole number from 1 to 65535",
    ),
    "an address with its port": (
        "prometheus: {bind_address: '127.0.0.1:9091'}",
        "exporter.prometheus.bind_address (exporter.yml:2): '127.0.0.1:9091' is not an IP address or a host name",
    ),
    "an address that is a URL with a password": (
        "redis: {host: 'redis://me:hunter2@redis'}",
        "exporter.redis.host (exporter.yml:2): 'redis://***@redis' is not an IP address or a host name",
    ),
    "a text that is a mapping": (
        "prometheus: {multiproc_dir: {path: /tmp}}",
        "exporter.prometheus.multiproc_dir (exporter.yml:2): {'path': '/tmp'} is not a line of text",
    ),
    "a text of two lines": (
        'prometheus: {multiproc_dir: "/tmp\\nx"}',
        "exporter.prometheus.multiproc_dir (exporter.yml:2): '/tmp\\nx' is not a line of text",
    ),
    "a switch that is a number": (
        "cleanup: {db_files: 2}",
        "exporter.cleanup.db_files (exporter.yml:2): '2' is not true or false",
    ),
    "a switch that is a word": (
        "sidecar_mode: perhaps",
        "exporter.sidecar_mode (exporter.yml:2): 'perhaps' is not true or false",
    ),
    "methods that are none": (
        "methods: [GET, P OST]",
        "exporter.methods (exporter.yml:2): ['GET', 'P OST'] is not "
        "up to 32 HTTP methods, as a list or separated by commas",
    ),
    "no methods at all": (
        "methods: []",
        "exporter.methods (exporter.yml:2): [] is not up to 32 HTTP methods, as a list or separated by commas",
    ),
    "a constant label without a value": (
        "constant_labels: team",
        f"exporter.constant_labels (exporter.yml:2): 'team' is not {kinds.LABELS.allowed}",
    ),
    "a constant label whose name is none": (
        "constant_labels: {team-name: shop}",
        f"exporter.constant_labels (exporter.yml:2): {{'team-name': 'shop'}} is not {kinds.LABELS.allowed}",
    ),
    "a constant label whose name is reserved": (
        "constant_labels: {__team: shop}",
        f"exporter.constant_labels (exporter.yml:2): {{'__team': 'shop'}} is not {kinds.LABELS.allowed}",
    ),
    "a constant label that is twice there": (
        "constant_labels: 'a=1,a=2'",
        f"exporter.constant_labels (exporter.yml:2): 'a=1,a=2' is not {kinds.LABELS.allowed}",
    ),
    "a constant label whose value is two lines": (
        'constant_labels: {team: "a\\nb"}',
        f"exporter.constant_labels (exporter.yml:2): {{'team': 'a\\nb'}} is not {kinds.LABELS.allowed}",
    ),
    "too many constant labels": (
        f"constant_labels: '{','.join(f'l{number}=1' for number in range(17))}'",
        "exporter.constant_labels (exporter.yml:2): 'l0=1,l1=1,l2=1,l3=1,l4=1,l5=1,l6=1,l7=1,l8=1,l9=1,l10=1,l11=1,"
        f"l12=1,l13=1,l14=1... is not {kinds.LABELS.allowed}",
    ),
    "a constant label that metrics have": (
        "constant_labels: {worker_id: a}",
        "exporter.constant_labels (exporter.yml:2): 'worker_id' is the name of a label that metrics have already",
    ),
    "endpoints that are none": (
        "excluded_endpoints: [/healthz, static]",
        "exporter.excluded_endpoints (exporter.yml:2): ['/healthz', 'static'] is not up to 64 endpoints such as "
        "/healthz or /static/*, as a list or separated by commas",
    ),
    "buckets of nothing": (
        "buckets: [1, 2]",
        f"exporter.buckets (exporter.yml:2): ['1', '2'] is not {BUCKETS.allowed}",
    ),
    "buckets that fall": (
        "buckets: {gunicorn_http_request_duration_seconds: [1, 0.5]}",
        "exporter.buckets (exporter.yml:2): {'gunicorn_http_request_duration_seconds': ['1', '0.5']} "
        f"is not {BUCKETS.allowed}",
    ),
    "a bucket that is no number": (
        "buckets: {gunicorn_http_request_duration_seconds: [nan]}",
        "exporter.buckets (exporter.yml:2): {'gunicorn_http_request_duration_seconds': ['nan']} is not "
        f"{BUCKETS.allowed}",
    ),
    "buckets of a histogram with a slip": (
        "buckets:\n    gunicorn_http_request_duration: [1]",
        "exporter.buckets (exporter.yml:3): there is no histogram 'gunicorn_http_request_duration'; "
        "did you mean gunicorn_http_request_duration_seconds?",
    ),
    "buckets of a counter": (
        "buckets: {gunicorn_http_requests_total: [1]}",
        "exporter.buckets (exporter.yml:2): gunicorn_http_requests_total is no histogram, so it has no buckets",
    ),
    "buckets of a derived histogram": (
        "buckets: {gunicorn_worker_request_size_bytes: [1024]}",
        "exporter.buckets (exporter.yml:2): gunicorn_worker_request_size_bytes is derived from "
        "gunicorn_http_request_size_bytes, and has those of its own bounds that this one has",
    ),
    "a family with a slip": (
        "disabled_families: [gunicorn_info, gunicorn_worker_cpu_percnt]",
        "exporter.disabled_families (exporter.yml:2): there is no family 'gunicorn_worker_cpu_percnt'; "
        "did you mean gunicorn_worker_cpu_percent?",
    ),
    "families of which there are none": (
        "disabled_families: gunicorn_web_socket_*",
        "exporter.disabled_families (exporter.yml:2): there is no family 'gunicorn_web_socket_*'; "
        "did you mean gunicorn_websocket_open?",
    ),
    "families in a mapping": (
        "disabled_families: {gunicorn_info: true}",
        "exporter.disabled_families (exporter.yml:2): {'gunicorn_info': 'true'} is not up to 100 families of the "
        "exporter, a * at the end stands for any, as a list or separated by commas",
    ),
    "a limit below the least": (
        "limits: {series: 1}",
        "exporter.limits.series (exporter.yml:2): '1' is not a whole number from 10 to 100000",
    ),
    "no workers": (
        "gunicorn: {workers: 0}",
        "exporter.gunicorn.workers (exporter.yml:2): '0' is not a whole number from 1 to 10000",
    ),
    "a negative time": (
        "gunicorn: {timeout: -1}",
        "exporter.gunicorn.timeout (exporter.yml:2): '-1' is not a whole number from 0 to 86400",
    ),
    "a time with its unit": (
        "redis: {timeout: 5s}",
        "exporter.redis.timeout (exporter.yml:2): '5s' is not a number of seconds from 0.05 to 60",
    ),
    "no time at all": (
        "redis: {publish_interval: 0}",
        "exporter.redis.publish_interval (exporter.yml:2): '0' is not a number of seconds from 0.05 to 60",
    ),
    "a time that is no number": (
        "redis: {publish_interval: .nan}",
        "exporter.redis.publish_interval (exporter.yml:2): '.nan' is not a number of seconds from 0.05 to 60",
    ),
    "a scope that there is not": (
        "redis: {scope: cluster}",
        "exporter.redis.scope (exporter.yml:2): 'cluster' is not one of instance, node, fleet",
    ),
    "a URL of something else": (
        "redis: {url: 'http://me:hunter2@redis'}",
        "exporter.redis.url (exporter.yml:2): *** is not a URL that begins with redis://, rediss:// or unix://",
    ),
    "a URL with a port that there is not": (
        "redis: {url: 'redis://:hunter2@redis:70000'}",
        "exporter.redis.url (exporter.yml:2): *** is not a URL that begins with redis://, rediss:// or unix://",
    ),
    "a secret that is a list": (
        "redis: {password: [hunter2]}",
        "exporter.redis.password (exporter.yml:2): *** is not a line of text",
    ),
    "a sentinel without its port": (
        "redis: {sentinel: {hosts: [one:26379, two]}}",
        "exporter.redis.sentinel.hosts (exporter.yml:2): ['one:26379', 'two'] is not "
        "up to 64 of host:port, as a list or separated by commas",
    ),
    "a value that is too long to be shown": (
        f"prometheus: {{metrics_port: {'9' * 200}}}",
        f"exporter.prometheus.metrics_port (exporter.yml:2): '{'9' * 79}... is not a whole number from 1 to 65535",
    ),
    "a key with a slip": (
        "prometheus: {metrics_prot: 9091}",
        "exporter.prometheus.metrics_prot (exporter.yml:2): there is no such setting; "
        "did you mean exporter.prometheus.metrics_port?",
    ),
    "a key with a dash": (
        "prometheus: {bind-address: 127.0.0.1}",
        "exporter.prometheus.bind-address (exporter.yml:2): there is no such setting; "
        "did you mean exporter.prometheus.bind_address?",
    ),
    "a key in the wrong place": (
        "metrics_port: 9091",
        "exporter.metrics_port (exporter.yml:2): there is no such setting; "
        "did you mean exporter.prometheus.metrics_port?",
    ),
    "a key that is only the beginning": (
        "redis: {ttl: 300}",
        "exporter.redis.ttl (exporter.yml:2): there is no such setting; did you mean exporter.redis.ttl_disabled?",
    ),
    "a group with a slip": (
        "promtheus: {metrics_port: 9091}",
        "exporter.promtheus (exporter.yml:2): there is no such setting; did you mean exporter.prometheus?",
    ),
    "a key like nothing there is": (
        "colour: blue",
        "exporter.colour (exporter.yml:2): there is no such setting",
    ),
    "a key of two lines": (
        '"a\\nb": 1',
        "exporter.? (exporter.yml:2): there is no such setting",
    ),
    "a group that is a value": (
        "prometheus: 9091",
        "exporter.prometheus (exporter.yml:2): is not a mapping",
    ),
    "a key that is there twice": (
        "sidecar_mode: true\n  sidecar_mode: false",
        "exporter.sidecar_mode (exporter.yml:3): is in line 2 already",
    ),
    "a key that is a list": (
        "? [a, b]\n  : 1",
        "exporter.yml:2: a key is no name",
    ),
    "a tag": (
        "redis: {password: !vault hunter2}",
        "exporter.redis.password (exporter.yml:2): a tag (!) has no meaning here",
    ),
    "both names of a setting": (
        "prometheus: {ssl: {certfile: a.pem, keyfile: k.pem}}\n  ssl: {certfile: b.pem}",
        "exporter.ssl.certfile (exporter.yml:3): is not what exporter.prometheus.ssl.certfile (exporter.yml:2) says, "
        "and both are one setting",
    ),
    "TLS without a certificate": (
        "prometheus: {ssl: {enabled: true}}",
        "exporter.prometheus.ssl.enabled (exporter.yml:2): TLS needs a certificate (PROMETHEUS_SSL_CERTFILE)",
    ),
    "TLS with a certificate that is none": (
        "prometheus: {ssl: {enabled: true, certfile: [server.pem]}}",
        "exporter.prometheus.ssl.certfile (exporter.yml:2): ['server.pem'] is not a line of text",
    ),
    "a key without its certificate": (
        "ssl: {keyfile: key.pem}",
        "exporter.ssl.keyfile (exporter.yml:2): a key needs its certificate (PROMETHEUS_SSL_CERTFILE)",
    ),
    "clients' certificates of nobody": (
        "prometheus: {ssl: {certfile: a.pem, client_auth_required: true}}",
        "exporter.prometheus.ssl.client_auth_required (exporter.yml:2): clients' certificates need an authority "
        "(PROMETHEUS_SSL_CLIENT_CAFILE or PROMETHEUS_SSL_CLIENT_CAPATH)",
    ),
    "clients' certificates without TLS": (
        "prometheus: {ssl: {client_cafile: ca.pem, client_auth_required: true}}",
        "exporter.prometheus.ssl.client_auth_required (exporter.yml:2): without TLS (PROMETHEUS_SSL_CERTFILE) "
        "nobody is asked",
    ),
    "Sentinels without the service": (
        "redis: {enabled: true, sentinel: {hosts: ['one:26379']}}",
        "exporter.redis.sentinel.hosts (exporter.yml:2): "
        "REDIS_SENTINEL_HOSTS and REDIS_SENTINEL_SERVICE need each other",
    ),
    "a database in a cluster": (
        "redis: {enabled: true, cluster: true, db: 3}",
        "exporter.redis.db (exporter.yml:2): a cluster (REDIS_CLUSTER) has database 0 only",
    ),
    "a node without a name": (
        "redis: {enabled: true, scope: node}",
        "exporter.redis.scope (exporter.yml:2): the scope node needs the node's name (NODE_NAME)",
    ),
    "instances that are gone before they speak": (
        "redis: {enabled: true, ttl_seconds: 10, publish_interval: 5}",
        "exporter.redis.ttl_seconds (exporter.yml:2): must be at least three times the publish interval "
        "(REDIS_PUBLISH_INTERVAL)",
    ),
}

# A whole file, and what is said about it.
FILES = {
    "nothing": (b"", "exporter.yml: has no mapping 'exporter' at its top level"),
    "no mapping": (b"- exporter\n", "exporter.yml: has no mapping 'exporter' at its top level"),
    "another program's": (b"server: {}\n", "exporter.yml: has no mapping 'exporter' at its top level"),
    "a slip at the top": (
        b"exportr: {}\n",
        "exporter.yml: has no mapping 'exporter' at its top level; did you mean 'exporter' by 'exportr'?",
    ),
    "a value": (b"exporter: 5\n", "exporter.yml: has no mapping 'exporter' at its top level"),
    "no YAML": (b"exporter: {a: [}\n", "exporter.yml:1: is not YAML: expected the node content, but found '}'"),
    "a tabulator": (
        b"exporter:\n\tprometheus:\n",
        "exporter.yml:2: is not YAML: found character '\\t' that cannot start any token",
    ),
    "an unquoted password with a star": (
        b"exporter:\n  redis:\n    password: *hunter2\n",
        "exporter.yml:3: is not YAML: found undefined alias ...",
    ),
    "bytes that are no text": (
        b"exporter: \xff\n",
        "exporter.yml: cannot be read: 'utf-8' codec can't decode byte 0xff in position 10: invalid start byte",
    ),
    "a character that is none": (
        b"exporter: \x00\n",
        "exporter.yml: is not YAML: special characters are not allowed",
    ),
    "far too much": (b"#" * (1 << 20) + b"\n", "exporter.yml: cannot be read: it has more than 1048576 bytes"),
    "far too deep": (
        b"exporter: " + b"[" * 100_000,
        "exporter.yml: is not YAML that can be read: it is nested too deeply",
    ),
}

# The environment, and what is said about it.
VARIABLES = {
    "a port that is a word": (
        {"PROMETHEUS_METRICS_PORT": "many"},
        "PROMETHEUS_METRICS_PORT (environment): 'many' is not a whole number from 1 to 65535",
    ),
    "a blank": (
        {"PROMETHEUS_METRICS_PORT": " "},
        "PROMETHEUS_METRICS_PORT (environment): ' ' is not a whole number from 1 to 65535",
    ),
    "a switch that is a word": (
        {"CLEANUP_DB_FILES": "perhaps"},
        "CLEANUP_DB_FILES (environment): 'perhaps' is not true or false",
    ),
    "a slip in a name": (
        {"PROMETHEUS_METRCIS_PORT": "9100"},
        "PROMETHEUS_METRCIS_PORT (environment): there is no such setting; did you mean PROMETHEUS_METRICS_PORT?",
    ),
    "TLS without a certificate": (
        {"PROMETHEUS_SSL_ENABLED": "true"},
        "PROMETHEUS_SSL_ENABLED (environment): TLS needs a certificate (PROMETHEUS_SSL_CERTFILE)",
    ),
    "TLS with a certificate that is none": (
        {"PROMETHEUS_SSL_ENABLED": "true", "PROMETHEUS_SSL_CERTFILE": "server\t.pem"},
        "PROMETHEUS_SSL_CERTFILE (environment): 'server\\t.pem' is not a line of text",
    ),
    "a URL with a secret": (
        {"REDIS_ENABLED": "true", "PROMETHEUS_REDIS_URL": "redis.example:hunter2"},
        "PROMETHEUS_REDIS_URL (environment): *** is not a URL that begins with redis://, rediss:// or unix://",
    ),
    "the switch of Redis": (
        {"REDIS_ENABLED": "maybe"},
        "REDIS_ENABLED (environment): 'maybe' is not true or false",
    ),
    "a port of Redis": (
        {"REDIS_ENABLED": "true", "REDIS_PORT": "redis"},
        "REDIS_PORT (environment): 'redis' is not a whole number from 1 to 65535",
    ),
}


def said_of(environment: dict[str, str], path: Path | None) -> str:
    with pytest.raises(SettingsError) as caught:
        settings_from(environment, None if path is None else read_yaml_file(str(path)))
    text = str(caught.value)
    assert "hunter2" not in text
    assert [text] == ["gunicorn-prometheus-exporter cannot use its settings:\n  " + "\n  ".join(caught.value.problems)]
    assert len(caught.value.problems) == 1, text
    return caught.value.problems[0]


@pytest.mark.parametrize(("text", "problem"), VALUES.values(), ids=VALUES)
def test_in_a_file(yaml_file: Callable[[str], Path], text: str, problem: str) -> None:
    """A value or a key."""
    assert said_of({}, yaml_file(f"exporter:\n  {text}\n")) == problem


@pytest.mark.parametrize(("content", "problem"), FILES.values(), ids=FILES)
def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, problem: str) -> None:
    """A file that is none of ours."""
    monkeypatch.chdir(tmp_path)
    path = Path("exporter.yml")
    path.write_bytes(content)
    assert said_of({}, path) == problem


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in its path must not become the defaults; and a directory is none."""
    monkeypatch.chdir(tmp_path)
    assert said_of({}, Path("none.yml")) == "none.yml: cannot be read: No such file or directory"
    assert said_of({}, Path(".")) == ".: cannot be read: Is a directory"


@pytest.mark.parametrize(("environment", "problem"), VARIABLES.values(), ids=VARIABLES)
def test_in_the_environment(environment: dict[str, str], problem: str) -> None:
    """A variable."""
    assert said_of(environment, None) == problem
