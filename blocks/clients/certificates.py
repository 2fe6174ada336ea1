"""Certificates of names: from a directory that others fill, or from a local authority for the embedded default."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import Field

from blocks.durable import locked, replace, sync
from blocks.errors import Refused
from blocks.terms.base import Frozen

_RENEW_BEFORE = timedelta(days=30)
_LIFE = timedelta(days=90)
_AUTHORITY_LIFE = timedelta(days=3650)
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class Bundle(Frozen):
    """A certificate as servers want it, in PEM: the chain with the leaf first, and the leaf's private key."""

    chain: str
    key: str = Field(repr=False)

    @property
    def both(self) -> str:
        """Chain and key in one file."""
        return self.chain.rstrip() + "\n" + self.key


class Certificates(Protocol):
    """Where certificates come from. Each covers a domain and the names directly below it."""

    def of(self, domain: str) -> Bundle:
        """The certificate to show for a domain. Raises Refused where there is none."""
        ...

    def key_hashes(self, domain: str) -> tuple[str, ...]:
        """The keys (SPKI, SHA-256 in hex) that a domain may show: its present one, those that come or went lately.

        None where it has no certificate yet. Raises Refused where that is an error.
        """
        ...


class CertificateDirectory:
    """Certificates that others put into `ROOT/DOMAIN/fullchain.pem` and `privkey.pem`, as ACME clients do."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, domain: str) -> Bundle:
        """See Certificates.of."""
        place = self._root / _checked(domain)
        try:
            return Bundle(chain=(place / "fullchain.pem").read_text(), key=(place / "privkey.pem").read_text())
        except OSError as error:
            raise Refused("certificate", f"no certificate of {domain} in {place}: {error.strerror}") from None

    def key_hashes(self, domain: str) -> tuple[str, ...]:
        """See Certificates.key_hashes: the present one alone."""
        return (_key_hash(self.of(domain).chain),)


class LocalAuthority:
    """A sandbox: an authority of our own that nobody else trusts. Its key and what it issued stand in `root`.

    `clock` gives the moment; the certificate of a domain stays the same until 30 days before its end.
    """

    def __init__(self, root: Path, clock: Callable[[], datetime]) -> None:
        self._root = root
        self._clock = clock

    @property
    def root(self) -> Path:
        """Where it stands."""
        return self._root

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, for whoever is to trust it."""
        self._authority()
        return self._root / "ca.pem"

    def of(self, domain: str) -> Bundle:
        """See Certificates.of. Issued when first asked for."""
        issued = CertificateDirectory(self._root)
        place = self._root / _checked(domain)
        place.mkdir(parents=True, exist_ok=True)
        # Two that issue at once would leave the key of one with the certificate of the other.
        with locked(place / ".lock"):
            if not (place / "privkey.pem").exists() or not self._lasts(place / "fullchain.pem"):
                self._issue(domain, place)
            return issued.of(domain)

    def key_hashes(self, domain: str) -> tuple[str, ...]:
        """See Certificates.key_hashes: the present one alone."""
        return (_key_hash(self.of(domain).chain),)

    def signed(self, key: CertificatePublicKeyTypes, names: Sequence[str], life: timedelta, now: datetime) -> str:
        """A certificate for that key and these names from `now` on, as PEM with the authority's own behind it."""
        authority, authority_key = self._authority()
        leaf = (
            _builder(names[0], authority.subject, key, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_authority_of(authority_key), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        return _pem_of(leaf) + _pem_of(authority)

    def _issue(self, domain: str, place: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        chain = self.signed(key.public_key(), [domain, f"*.{domain}"], _LIFE, self._clock())
        replace(place / "privkey.pem", _pem_of(key))
        replace(place / "fullchain.pem", chain, 0o644)

    def _lasts(self, chain: Path) -> bool:
        if not chain.exists():
            return False
        leaf = x509.load_pem_x509_certificate(chain.read_bytes())
        return leaf.not_valid_after_utc - self._clock() > _RENEW_BEFORE

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        self._root.mkdir(parents=True, exist_ok=True)
        both = self._root / "authority.pem"
        if not both.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Dogovor local authority")])
            usage = x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            )
            made = (
                _builder("Dogovor local authority", subject, key.public_key(), self._clock(), _AUTHORITY_LIFE)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(usage, critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            _write_first(both, _pem_of(made) + _pem_of(key), 0o600)
        text = both.read_bytes()
        certificate = x509.load_pem_x509_certificate(text)
        private = serialization.load_pem_private_key(text, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise Refused("authority", f"{both} holds no key of ours")
        if not (self._root / "ca.pem").exists():
            _write_first(self._root / "ca.pem", _pem_of(certificate), 0o644)
        return certificate, private


def _checked(domain: str) -> str:
    if not _NAME.fullmatch(domain):
        raise Refused("domain", f"{domain!r} is no domain")
    return domain


def _builder(
    name: str, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _key_hash(chain: str) -> str:
    leaf = x509.load_pem_x509_certificate(chain.encode())
    shape = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(leaf.public_key().public_bytes(serialization.Encoding.DER, shape)).hexdigest()


def _authority_of(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _pem_of(what: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(what, x509.Certificate):
        return what.public_bytes(serialization.Encoding.PEM).decode()
    shape = serialization.PrivateFormat.PKCS8
    return what.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption()).decode()


def _write_first(path: Path, text: str, mode: int) -> None:
    """Write a file that stays: of several processes that make it the first wins."""
    draft = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}")
    replace(draft, text, mode)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    sync(path.parent)
