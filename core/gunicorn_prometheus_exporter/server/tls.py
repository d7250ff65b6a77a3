"""TLS as the endpoint speaks it: from what is configured to a context of the ``ssl`` module."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from typing import Any, Final

# client_auth_type, with the ways of Go's crypto/tls that the ssl module has, too.
CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    # Go asks for a certificate here, and then looks at none: so the client need not be asked.
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
# By the names of the standard, which Go uses. Those of TLS 1.3 are all on, always, there and here.
CIPHERS: Final = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How the endpoint speaks TLS. A certificate, its key and the clients' authorities are each a file or a PEM text;
    without a key, it is where the certificate is."""

    cert_file: str | None = None
    cert: str | None = None
    key_file: str | None = None
    key: str | None = None
    client_ca_file: str | None = None
    client_ca_path: str | None = None
    client_ca: str | None = None
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    prefer_server_ciphers: bool = True
    curve: str | None = None

    @property
    def files(self) -> list[str]:
        """The files and directories that make a difference when they change."""
        return [path for path in (self.cert_file, self.key_file, self.client_ca_file, self.client_ca_path) if path]

    def context(self) -> ssl.SSLContext:
        """A context for servers. Raises OSError, of which ssl.SSLError is one, and ValueError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.min_version, self.max_version
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if self.prefer_server_ciphers:
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        else:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))
        if self.curve is not None:
            context.set_ecdh_curve(self.curve)
        self._load_certificate(context)
        context.verify_mode = self.client_auth
        if self.client_auth is not ssl.CERT_NONE:
            context.load_verify_locations(self.client_ca_file, self.client_ca_path, self.client_ca)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def admit(self, client: ssl.SSLObject) -> None:
        """Raises ssl.SSLError for a client whose certificate is not among those allowed."""
        if self.client_allowed_sans is not None:
            names = subject_alternative_names(client.getpeercert() or {})
            if not names.intersection(self.client_allowed_sans):
                raise ssl.SSLCertVerificationError("the client's certificate is for none of client_allowed_sans")

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        if self.cert is None and self.key is None:
            context.load_cert_chain(str(self.cert_file), self.key_file, password=_no_password)
            return
        # The ssl module takes files only. This one is for its owner alone, and gone before the next line.
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join([_text(self.key, self.key_file), _text(self.cert, self.cert_file)]))
            file.flush()
            context.load_cert_chain(file.name, password=_no_password)


def subject_alternative_names(certificate: Any) -> frozenset[str]:
    """The names that ``certificate``, as ``getpeercert`` returns it, is for: hosts, addresses, e-mails and URIs."""
    kinds = ("DNS", "IP Address", "email", "URI")
    return frozenset(_plain_address(name) for kind, name in certificate.get("subjectAltName", ()) if kind in kinds)


def _plain_address(name: str) -> str:
    # OpenSSL writes IPv6 addresses in a form of its own: 0:0:0:0:0:0:0:1.
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def _text(text: str | None, path: str | None) -> str:
    if text is not None:
        return text
    if path is None:
        return ""
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _no_password() -> str:
    # Without this, OpenSSL asks at the terminal.
    raise ValueError("the private key is encrypted, and there is nobody to ask for its password")
