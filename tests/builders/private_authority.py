"""A certificate authority of a company, which no system trusts by itself, and servers' certificates by it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass
class PrivateAuthority:
    name: str = "Northwind internal CA"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self._root = (
            self._builder(self._subject, self._key.public_key(), timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def root_pem(self) -> bytes:
        return self._root.public_bytes(PEM)

    def issue(self, *, days: int = 90) -> tuple[bytes, bytes]:
        """Chain and key of a server at 127.0.0.1 and localhost, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key(), timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip
        plain = serialization.NoEncryption()
        key_pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
        return certificate.public_bytes(PEM) + self.root_pem, key_pem

    def trusting(self) -> ssl.SSLContext:
        """What a client has that was told to trust this authority, and nobody else."""
        return ssl.create_default_context(cadata=self.root_pem.decode())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + lasts)
        )


@dataclass(frozen=True)
class Files:
    """Where a server reads its certificate."""

    folder: Path

    @property
    def chain(self) -> Path:
        return self.folder / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.folder / "privkey.pem"

    def put(self, pair: tuple[bytes, bytes]) -> None:
        for path, body in zip((self.chain, self.key), pair, strict=True):
            new = path.with_suffix(".new")
            new.write_bytes(body)
            new.replace(path)
