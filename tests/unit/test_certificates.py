"""Certificates of customers' domains: from a directory, or from the local authority of the embedded default."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from blocks.clients.certificates import Bundle, CertificateDirectory, LocalAuthority
from blocks.errors import Refused

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DOMAIN = "k000001.example.net"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> LocalAuthority:
    return LocalAuthority(tmp_path / "authority", clock)


def chain_of(bundle: Bundle) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle.chain.encode())


@pytest.mark.parametrize("name", [DOMAIN, f"xmpp.{DOMAIN}"])
def test_a_certificate_is_trusted_for_its_domain_and_the_names_below_it(authority: LocalAuthority, name: str) -> None:
    leaf, root = chain_of(authority.of(DOMAIN))
    trusted = x509.load_pem_x509_certificates(authority.ca_file.read_bytes())
    verifier = PolicyBuilder().store(Store(trusted)).time(NOW).build_server_verifier(x509.DNSName(name))
    assert verifier.verify(leaf, [])[-1] == root


@pytest.mark.parametrize("name", ["k000002.example.net", "example.net", f"a.b.{DOMAIN}"])
def test_a_certificate_is_trusted_for_no_other_name(authority: LocalAuthority, name: str) -> None:
    [leaf, _] = chain_of(authority.of(DOMAIN))
    trusted = x509.load_pem_x509_certificates(authority.ca_file.read_bytes())
    verifier = PolicyBuilder().store(Store(trusted)).time(NOW).build_server_verifier(x509.DNSName(name))
    with pytest.raises(x509.verification.VerificationError):
        verifier.verify(leaf, [])


def test_a_key_belongs_to_its_certificate_and_is_nobodys_to_read(authority: LocalAuthority, tmp_path: Path) -> None:
    bundle = authority.of(DOMAIN)
    key = serialization.load_pem_private_key(bundle.key.encode(), None)
    assert key.public_key() == chain_of(bundle)[0].public_key()
    assert bundle.key not in repr(bundle)
    assert bundle.both.endswith(bundle.key)
    for name in (f"{DOMAIN}/privkey.pem", "authority.pem"):
        assert stat.S_IMODE((tmp_path / "authority" / name).stat().st_mode) == 0o600, name


def test_a_certificate_stays_until_thirty_days_before_its_end_and_the_authority_beyond(
    authority: LocalAuthority, clock: Clock
) -> None:
    first = authority.of(DOMAIN)
    root = authority.ca_file.read_text()
    clock.now = NOW + timedelta(days=60) - timedelta(seconds=1)
    assert authority.of(DOMAIN) == first
    clock.now = NOW + timedelta(days=60)
    renewed = authority.of(DOMAIN)
    assert renewed != first
    assert chain_of(renewed)[0].not_valid_after_utc == clock.now + timedelta(days=90)
    assert authority.ca_file.read_text() == root


def test_two_processes_make_one_authority(tmp_path: Path, clock: Clock) -> None:
    first, second = (LocalAuthority(tmp_path / "authority", clock) for _ in range(2))
    assert chain_of(first.of(DOMAIN))[1] == chain_of(second.of("k000002.example.net"))[1]


def test_who_asks_at_once_gets_the_same_certificate_with_its_own_key(tmp_path: Path, clock: Clock) -> None:
    LocalAuthority(tmp_path / "authority", clock).of("k000002.example.net")
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(LocalAuthority(tmp_path / "authority", clock).of, DOMAIN) for _ in range(16)]
    bundles = {each.result() for each in asked}
    assert len(bundles) == 1
    bundle = bundles.pop()
    key = serialization.load_pem_private_key(bundle.key.encode(), None)
    assert key.public_key() == chain_of(bundle)[0].public_key()


def test_a_certificate_cut_short_between_key_and_chain_is_made_anew(authority: LocalAuthority, tmp_path: Path) -> None:
    place = tmp_path / "authority" / DOMAIN
    authority.of(DOMAIN)
    (place / "fullchain.pem").unlink()
    bundle = authority.of(DOMAIN)
    key = serialization.load_pem_private_key(bundle.key.encode(), None)
    assert key.public_key() == chain_of(bundle)[0].public_key()


@pytest.mark.parametrize("domain", ["", "../etc", "a/b.c", "localhost", "UPPER.example.net", "a..b", ".example.net"])
def test_what_is_no_domain_has_no_certificate(authority: LocalAuthority, tmp_path: Path, domain: str) -> None:
    for certificates in (authority, CertificateDirectory(tmp_path)):
        with pytest.raises(Refused, match="no domain"):
            certificates.of(domain)


def test_a_directory_gives_what_others_put_there_and_names_what_is_missing(tmp_path: Path) -> None:
    certificates = CertificateDirectory(tmp_path)
    with pytest.raises(Refused, match=DOMAIN):
        certificates.of(DOMAIN)
    (tmp_path / DOMAIN).mkdir()
    (tmp_path / DOMAIN / "fullchain.pem").write_text("chain\n")
    with pytest.raises(Refused, match=DOMAIN):
        certificates.of(DOMAIN)
    (tmp_path / DOMAIN / "privkey.pem").write_text("key\n")
    assert certificates.of(DOMAIN).both == "chain\nkey\n"
