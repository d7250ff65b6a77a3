"""The exporter-toolkit's web configuration: what it may say, and what is said of what it may not."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gunicorn_prometheus_exporter.server.passwords import Passwords
from gunicorn_prometheus_exporter.server.policy import matches_bcrypt, read_policy
from gunicorn_prometheus_exporter.server.security import Security
from gunicorn_prometheus_exporter.server.tls import TlsConfig
from gunicorn_prometheus_exporter.server.web_config import RateLimit, WebConfig, parse_web_config, read_web_config
from gunicorn_prometheus_exporter.settings import Settings, SettingsError
from tests.core.server.authority import Authority

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
TLS = "tls_server_config: {cert_file: a.pem, key_file: b.pem"


def test_everything(tmp_path: Path) -> None:
    """Every key of the documentation, with paths from where the file is."""
    text = f"""
tls_server_config:
  cert_file: a.pem
  key_file: /etc/b.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [a.example, 127.0.0.1]
  min_version: TLS11
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "1"
    Strict-Transport-Security: max-age=1
basic_auth_users:
  joe: {HASH}
  "0123": {HASH}
rate_limit: {{interval: 1m30s, burst: 3}}
"""
    file = tmp_path / "web.yml"
    file.write_text(text)
    config = read_web_config(str(file))
    assert config.tls == TlsConfig(
        cert_file=str(tmp_path / "a.pem"),
        key_file="/etc/b.pem",
        client_ca_file=str(tmp_path / "ca.pem"),
        client_auth=ssl.CERT_REQUIRED,
        client_allowed_sans=("a.example", "127.0.0.1"),
        min_version=ssl.TLSVersion.TLSv1_1,
        max_version=ssl.TLSVersion.TLSv1_2,
        ciphers=("ECDHE-RSA-CHACHA20-POLY1305",),
        prefer_server_ciphers=False,
        curve="X25519",
    )
    assert config.users == {"joe": HASH, "0123": HASH}
    assert len(config.headers) == 5
    assert config.rate_limit == RateLimit(90.0, 3)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users: {}\n", "http_server_config: {http2: true}"]
)
def test_nothing(text: str) -> None:
    """A file that asks for nothing is plain HTTP for all."""
    assert parse_web_config(text.encode(), "web.yml") == WebConfig()


BAD = {
    "a: b\nc: d": ["web.yml:1: a is not known; there are ", "web.yml:2: c is not known; there are "],
    "tls_server_confg: {}": ["web.yml:1: tls_server_confg is not known; did you mean tls_server_config?"],
    TLS + ", cret: x}": ["web.yml:1: tls_server_config.cret is not known; did you mean cert?"],
    "- a": ["web.yml:1: is not a mapping"],
    "x: [": ["web.yml:1: is not YAML: "],
    "\tx: 1": ["web.yml:1: is not YAML: "],
    "tls_server_config: text": ["web.yml:1: tls_server_config is not a mapping"],
    "tls_server_config: {cert_file: a}": ["web.yml: tls_server_config.key_file is missing"],
    "tls_server_config: {key_file: a}": ["web.yml: tls_server_config.cert_file is missing"],
    TLS + ", cert: x}": ["web.yml: tls_server_config.cert_file and cert are both given"],
    TLS + ", client_auth_type: Some}": [
        "web.yml:1: tls_server_config.client_auth_type 'Some' is none of NoClientCert, "
    ],
    TLS + ", client_auth_type: RequireAnyClientCert}": [
        "web.yml:1: tls_server_config.client_auth_type RequireAnyClientCert takes any"
    ],
    TLS + ", client_auth_type: VerifyClientCertIfGiven}": ["web.yml: tls_server_config.client_ca_file is missing"],
    TLS + ", client_ca_file: c}": ["web.yml: tls_server_config.client_ca_file is of no use without client_auth_type"],
    TLS + ", client_allowed_sans: [a]}": ["web.yml: tls_server_config.client_allowed_sans is of no use"],
    TLS + ", client_allowed_sans: a}": ["web.yml:1: tls_server_config.client_allowed_sans is not a list"],
    TLS + ", min_version: SSL3}": ["web.yml:1: tls_server_config.min_version 'SSL3' is none of TLS10, "],
    TLS + ", min_version: TLS13, max_version: TLS12}": ["web.yml: tls_server_config.min_version is above max_version"],
    TLS + ", cipher_suites: [RC4]}": ["web.yml:1: tls_server_config.cipher_suites 'RC4' is none of "],
    TLS + ", curve_preferences: [P1]}": ["web.yml:1: tls_server_config.curve_preferences 'P1' is none of "],
    TLS + ", curve_preferences: [X25519, CurveP256]}": ["web.yml:1: tls_server_config.curve_preferences has more than"],
    TLS + ", prefer_server_cipher_suites: perhaps}": [
        "web.yml:1: tls_server_config.prefer_server_cipher_suites 'perhaps'"
    ],
    'tls_server_config: {cert_file: "a\\0", key_file: b}': [
        "web.yml:1: tls_server_config.cert_file has a null character in it"
    ],
    "http_server_config: {headers: {Server: x}}": [
        "web.yml:1: http_server_config.headers.Server is not known; there are "
    ],
    "http_server_config: {headers: {X-Frame-Options: x}}": [
        "web.yml:1: http_server_config.headers.X-Frame-Options 'x' is none"
    ],
    'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb: c"}}': [
        "web.yml:1: http_server_config.headers.X-XSS-Protection has a"
    ],
    "basic_auth_users: {joe: secret}": ["web.yml:1: basic_auth_users.joe is not a bcrypt hash"],
    f"basic_auth_users: {{'a:b': {HASH}}}": ["web.yml:1: basic_auth_users.a:b has a name that cannot be sent"],
    f"basic_auth_users: {{joe: {HASH.replace('10', '31')}}}": [
        "web.yml:1: basic_auth_users.joe has the bcrypt cost 31; allowed are 4 to 15"
    ],
    f"basic_auth_users:\n  joe: {HASH}\n  joe: {HASH}": ["web.yml:3: basic_auth_users.joe is there twice"],
    "rate_limit: {interval: 1s}": ["web.yml: rate_limit.burst is missing"],
    "rate_limit: {interval: soon, burst: 1}": ["web.yml:1: rate_limit.interval 'soon' is not a duration"],
    "rate_limit: {interval: 1s, burst: -1}": [
        "web.yml:1: rate_limit.burst '-1' is not a whole number",
        "web.yml: rate_limit.burst is missing",
    ],
}


@pytest.mark.parametrize(("text", "problems"), BAD.items(), ids=range(len(BAD)))
def test_what_is_wrong(text: str, problems: list[str]) -> None:
    """One line for each problem, with its place, and without a secret."""
    with pytest.raises(SettingsError) as caught:
        parse_web_config(text.encode(), "web.yml")
    found = caught.value.problems
    assert len(found) == len(problems)
    assert all(line.startswith(problem) for line, problem in zip(sorted(found), sorted(problems), strict=True))
    assert "secret" not in str(caught.value)


@pytest.fixture
def security(tmp_path: Path) -> Callable[..., Security]:
    def make(text: str, **settings: Any) -> Security:
        (tmp_path / "web.yml").write_text(text)
        return Security(
            Settings(web_config_file=str(tmp_path / "web.yml"), **settings), Passwords(matches_bcrypt), print
        )

    return make


def test_headers_and_rate(serve: Callable[..., Any], security: Callable[..., Security]) -> None:
    """Each response has the headers, and of more requests than the rate there is a 429; health is not limited."""
    from gunicorn_prometheus_exporter.server.endpoint import MetricsEndpoint

    def render(*, openmetrics: bool, names: tuple[str, ...]) -> bytes:
        return b"up 1\n"

    text = "http_server_config: {headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1h, burst: 2}"
    served = serve(MetricsEndpoint(render, lambda: True, security(text)))
    statuses = []
    for path in ("/metrics", "/other", "/metrics", "/-/healthy"):
        response, _ = served.scrape(path)
        statuses.append(response.status)
        assert response.headers["X-Frame-Options"] == "deny"
    assert statuses == [200, 404, 429, 200]


def test_inline_certificates(serve: Callable[..., Any], security: Callable[..., Security], tmp_path: Path) -> None:
    """Certificate, key and authority may be in the file itself, and a name can be asked of clients' certificates."""
    authority = Authority(tmp_path)
    certificate, key = (Path(path).read_text() for path in authority.issue("server"))
    texts = {"cert": certificate, "key": key, "client_ca": authority.file.read_text()}
    lines = [f"  {name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines()) for name, text in texts.items()]
    options = "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [good.example, '::1']\n"
    policy = security("tls_server_config:\n" + "".join(lines) + options)
    from gunicorn_prometheus_exporter.server.http import Response

    served = serve(lambda request: Response(200), tls=policy.context, admit=policy.admit)
    for name, is_good in (("good.example", True), ("::1", True), ("bad.example", False)):
        served.client_tls = authority.client(authority.issue("client", name))
        if is_good:
            assert served.scrape()[0].status == 200
        else:
            with pytest.raises(OSError, match=r"."):
                served.scrape()


def test_problems_of_all_kinds_at_once(tmp_path: Path) -> None:
    """What is wrong with the file, the token and the certificate is said together."""
    file = tmp_path / "web.yml"
    file.write_text("colour: blue")
    with pytest.raises(SettingsError) as caught:
        read_policy(Settings(web_config_file=str(file), bearer_token="x", ssl_enabled=True, ssl_certfile="none.pem"))
    assert len(caught.value.problems) == 3


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    """There is no terminal to ask for its password at."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    Path(key).write_bytes(
        loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    with pytest.raises(SettingsError, match="encrypted"):
        read_policy(Settings(ssl_enabled=True, ssl_certfile=certificate, ssl_keyfile=key))


def test_bcrypt_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has users and no bcrypt is told what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "bcrypt", None)
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users: {{joe: {HASH}}}")
    with pytest.raises(SettingsError, match=r"pip install 'gunicorn-prometheus-exporter\[auth\]'"):
        read_policy(Settings(web_config_file=str(file)))
