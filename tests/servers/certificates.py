"""A certificate authority of the tests' own, and certificates from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .processes import server_directory

MONTH = timedelta(days=30)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """Files that any user may read: the chain, its key, and both in one, the key first as Postfix wants it."""

    chain: Path
    key: Path
    both: Path


class Authority:
    """An authority that trusts nobody and is trusted by whoever is given its `ca_file`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        now = datetime.now(UTC)
        builder = _builder(self._name, self._name, self._key, now - DAY, now + MONTH)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.ca_file = home / "ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """Issue a certificate for the names and addresses; an expired one ended yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        now = datetime.now(UTC)
        starts, ends = (now - MONTH, now - DAY) if expired else (now - DAY, now + MONTH)
        certificate = (
            _builder(self._name, subject, key, starts, ends)
            .add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return self._write(certificate, key)

    def _write(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
        chain = certificate.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files = [self._home / f"{certificate.serial_number:x}.{kind}" for kind in ("crt", "key", "pem")]
        for file, content in zip(files, (chain, secret, secret + chain), strict=True):
            file.write_bytes(content)
        return Certificate(*files)


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@contextmanager
def new_authority() -> Iterator[Authority]:
    """Make an authority whose files go away with the context."""
    with server_directory("dg-ca-") as home:
        yield Authority(home)
