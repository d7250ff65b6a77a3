"""Certificates for a test, made on the spot."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """An authority that issues certificates as PEM files into ``home``."""

    def __init__(self, home: Path, name: str = "ca") -> None:
        self._home = home
        self._authority = trustme.CA()
        self.file = home / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *identities: str) -> tuple[str, str]:
        """The paths of a new certificate and its key, at ``<name>.pem`` and ``<name>.key``, in place of older ones."""
        issued = self._authority.issue_cert(*(identities or ("localhost", "127.0.0.1")))
        certificate, key = self._home / f"{name}.pem", self._home / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return str(certificate), str(key)

    def client(self, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
        """What a client of this authority's servers speaks TLS with."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return context
