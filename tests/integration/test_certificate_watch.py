"""The watch over what is served, on ports that show what they must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from sqlalchemy import select

from blocks.clients.ca.addresses import EndpointAt
from blocks.clients.certificates import Bundle, LocalAuthority
from blocks.clients.comms.tls_prelude import Speech
from blocks.clients.endpoints import shown
from blocks.durable import locked
from blocks.errors import Refused, Transient
from blocks.ledger import Certificate, CertificateState, Finding, Notice, Service, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from blocks.terms.watching import Kind
from flows.certificate_watch import _row
from tasks.ca_orders import open_site
from tasks.certificate_install import install
from tasks.certificate_watch import watch_served
from tests.certificate_work import NAMES, SLUG, certificates_file, consumer_text, issue
from tests.comms_work import active
from tests.conftest import PaymentSandbox, close_office
from tests.servers.processes import free_port
from tests.servers.tls_port import Manners, tls_port
from tests.servers.tls_site import TlsSite, tls_site
from tests.work import NOW

HOUR = timedelta(hours=1)
PROTOCOLS = {
    Speech.NONE: "tls",
    Speech.XMPP: "xmpp-client",
    Speech.XMPP_SERVER: "xmpp-server",
    Speech.IMAP: "imap",
    Speech.SMTP: "smtp",
}


class Watched:
    """One site on one server, watched."""

    def __init__(self, office: Office, server: TlsSite) -> None:
        self.office = office
        self.server = server

    def watch(self, now: datetime = NOW) -> list[str]:
        watch_served(self.office, now=now)
        query = select(Finding.kind).where(Finding.open_key.is_not(None)).order_by(Finding.kind)
        with reading(self.office.sessions) as session:
            return list(session.scalars(query))

    def told(self) -> list[str]:
        query = select(Notice.kind).where(Notice.kind.like("finding_%")).order_by(Notice.id)
        with reading(self.office.sessions) as session:
            return list(session.scalars(query))

    def show(self, bundle: Bundle) -> None:
        self.server.loaded.write_text(bundle.both)


@pytest.fixture
def watched(tmp_path: Path, settings_for: Callable[..., Settings]) -> Iterator[Watched]:
    settings = settings_for()
    directory = tmp_path / "served"
    directory.mkdir()
    with tls_site(tmp_path / "server") as server:
        consumer = consumer_text(
            "one", directory, server.reload(directory / SLUG / "both.pem"), [f"{server.port} tls {SLUG}"]
        )
        authority = LocalAuthority(settings.home / "certificates", lambda: NOW - timedelta(days=1))
        trusted = f'ca_file = "{authority.ca_file}"\n'
        consumer = consumer.replace("[[consumer.endpoints]]", trusted + "[[consumer.endpoints]]")
        office = open_office(settings_for(certificates_file=certificates_file(tmp_path / "c.toml", consumer)))
        install(office, issue(office, ["one"]), now=NOW)
        yield Watched(office, server)
        close_office(office)


def test_what_is_served_as_the_ledger_says_is_no_finding(watched: Watched) -> None:
    assert watched.watch() == []
    assert watched.told() == []


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_certificate_that_the_ledger_does_not_know_is_told_of_once_and_once_when_it_is_gone(
    watched: Watched,
) -> None:
    good = watched.server.loaded.read_text()
    watched.show(LocalAuthority(watched.office.authority.root, lambda: NOW).of(SLUG))
    assert watched.watch(NOW) == ["unknown_certificate"]
    assert watched.watch(NOW + HOUR) == ["unknown_certificate"]
    assert watched.told() == ["finding_opened"]
    watched.server.loaded.write_text(good)
    assert watched.watch(NOW + 2 * HOUR) == []
    assert watched.told() == ["finding_opened", "finding_closed"]
    with reading(watched.office.sessions) as session:
        row = session.scalars(select(Finding)).one()
        assert (row.clause, row.subject) == ("KS-3.8", f"127.0.0.1:{watched.server.port} {SLUG}")
        assert (row.first_at, row.last_at, row.closed_at) == (NOW, NOW + HOUR, NOW + 2 * HOUR)


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_one_that_is_issued_and_not_in_service_is_a_finding_too(watched: Watched) -> None:
    with transaction(watched.office.sessions) as session:
        session.scalars(select(Certificate)).one().state = CertificateState.RETIRED
    assert watched.watch() == ["not_in_service"]


def test_what_is_being_installed_just_now_is_not_compared_and_closes_nothing(watched: Watched) -> None:
    watched.show(LocalAuthority(watched.office.authority.root, lambda: NOW).of(SLUG))
    with locked(watched.office.settings.home / "installing" / SLUG):
        assert watched.watch() == []
    assert watched.watch() == ["unknown_certificate"]
    with locked(watched.office.settings.home / "installing" / SLUG):
        assert watched.watch() == ["unknown_certificate"]


def test_the_end_of_a_certificate_is_told_of_and_a_dead_server_keeps_what_was_found(watched: Watched) -> None:
    assert watched.watch(NOW + timedelta(days=80)) == ["expires_soon"]
    loaded = watched.server.loaded.read_text()
    watched.server.loaded.unlink()
    assert watched.watch(NOW + timedelta(days=81)) == ["expires_soon", "unreachable"]
    watched.server.loaded.write_text(loaded)
    assert watched.watch(NOW + timedelta(days=91)) == ["expired"]


def test_a_server_that_is_no_longer_watched_has_no_open_finding(watched: Watched) -> None:
    watched.server.loaded.unlink()
    assert watched.watch() == ["unreachable"]
    path = watched.office.settings.certificates_file
    assert path is not None
    certificates_file(path)
    again = open_office(watched.office.settings)
    assert Watched(again, watched.server).watch(NOW + HOUR) == []
    with reading(again.sessions) as session:
        facts = session.scalars(select(Notice.facts).where(Notice.kind == "finding_closed")).one()
    assert facts["watched"] is False
    close_office(again)


def weak(names: tuple[str, ...]) -> Bundle:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak it is to be
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - HOUR)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Bundle(chain=made.public_bytes(pem).decode(), key=secret.decode())


def ports(directory: Path, bundle: Bundle) -> Path:
    directory.mkdir()
    (directory / "fullchain.pem").write_text(bundle.chain)
    (directory / "privkey.pem").write_text(bundle.key)
    return directory


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize("speech", list(PROTOCOLS))
def test_ks_2_6_a_chain_is_read_and_judged_behind_every_way_of_beginning_tls(tmp_path: Path, speech: Speech) -> None:
    authority = LocalAuthority(tmp_path / "ca", lambda: NOW)
    served = ports(tmp_path / "served", authority.of(SLUG))
    manners = Manners(speech=speech, tls_first=speech is Speech.NONE)
    with tls_port(manners, served) as port:
        at = EndpointAt.model_validate(
            {"host": "127.0.0.1", "port": port, "protocol": PROTOCOLS[speech], "name": f"a.{SLUG}"}
        )
        seen = shown(at, authority.ca_file, now=NOW)
        alone = shown(at, None, now=NOW)
    assert (seen.distrust, seen.covers, seen.ordered, seen.length) == ("", True, True, 2)
    assert (seen.key, seen.signature, seen.version, seen.bits) == ("EC 256", "sha256", "TLSv1.3", 256)
    assert "self-signed" in alone.distrust or "unable to get" in alone.distrust


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_weak_certificate_of_another_name_that_nobody_signed_is_three_findings(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    served = ports(tmp_path / "served", weak(("other.test",)))
    manners = Manners(ciphers="ALL:@SECLEVEL=0", lowest=SSL.TLS1_VERSION, highest=SSL.TLS1_1_VERSION)
    with ExitStack() as stack:
        port = stack.enter_context(tls_port(manners, served))
        text = f'[[watch]]\nhost = "127.0.0.1"\nport = {port}\nname = "{NAMES[1]}"\n'
        office = open_office(settings_for(certificates_file=certificates_file(tmp_path / "c.toml", text)))
        stack.callback(close_office, office)
        [look], changed = watch_served(office, now=NOW)
    assert {flaw.kind for flaw in look.flaws} == {Kind.MISMATCH, Kind.WEAK, Kind.CHAIN}
    [told] = [flaw.detail for flaw in look.flaws if flaw.kind is Kind.WEAK]
    assert "the key is RSA 1024" in told
    assert "it agrees on TLSv1.1" in told
    assert (changed.opened, changed.open) == (3, 3)
    row = _row(look, NOW)
    assert (row["days left"], row["site"]) == (90, "")


def test_nothing_behind_a_port_is_unreachable_and_what_breaks_off_too() -> None:
    at = EndpointAt(host="127.0.0.1", port=free_port())
    with pytest.raises(Transient, match="refused"):
        shown(at, None, now=NOW)


def test_a_file_without_authorities_is_not_the_servers_fault(tmp_path: Path) -> None:
    served = ports(tmp_path / "served", LocalAuthority(tmp_path / "ca", lambda: NOW).of(SLUG))
    (tmp_path / "none.pem").write_text("nothing")
    with tls_port(Manners(), served) as port, pytest.raises(Refused, match="no authorities"):
        shown(EndpointAt(host="127.0.0.1", port=port, name=SLUG), tmp_path / "none.pem", now=NOW)


COMPLEX = """\
[[complex]]
name = "c1"
host = "c1.example.test"
addresses = ["127.0.0.1"]
ca_file = "{ca}"
[complex.xmpp]
api_url = "http://127.0.0.1:1/"
hosts_file = "/h"
certificates = "/c"
port = {none}
tls_port = {domain}
upload_port = {none}
[complex.mail]
doveadm_url = "http://127.0.0.1:1/"
imap_port = {none}
imaps_port = {host}
submission_port = {none}
submissions_port = {none}
smtp_port = {none}
[complex.sip]
rpc_url = "http://127.0.0.1:1/"
tls_file = "/t"
certificates = "/c"
tls_port = {none}
"""


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_customers_domain_is_looked_at_on_its_complex_and_mail_at_the_host(
    settings_for: Callable[..., Settings], sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    plain = open_office(settings_for())
    number = active(plain, sandbox, 2)
    with reading(plain.sessions) as session:
        domain = session.scalars(select(Service.name)).one()
    close_office(plain)
    authority = LocalAuthority(tmp_path / "ca", lambda: NOW)
    host, nowhere = "c1.example.test", free_port()
    with ExitStack() as stack:
        shows = {
            each: stack.enter_context(tls_port(Manners(), ports(tmp_path / each, authority.of(each))))
            for each in (domain, host)
        }
        text = COMPLEX.format(ca=authority.ca_file, none=nowhere, domain=shows[domain], host=shows[host])
        (tmp_path / "complexes.toml").write_text(text)
        office = open_office(settings_for(complexes_file=tmp_path / "complexes.toml"))
        stack.callback(close_office, office)
        with transaction(office.sessions) as session:
            names = [domain, f"*.{domain}"]
            open_site(
                session, slug=domain, agreement="KS", names=names, authority="local", consumers=["complex"], now=NOW
            )
        looks, _ = watch_served(office, now=NOW)
    found = {each.place.subject: [flaw.kind for flaw in each.flaws] for each in looks}
    assert found == {
        f"127.0.0.1:{nowhere} {domain}": [Kind.UNREACHABLE],
        f"127.0.0.1:{shows[domain]} {domain}": [Kind.UNKNOWN],
        f"127.0.0.1:{nowhere} upload.{domain}": [Kind.UNREACHABLE],
        f"127.0.0.1:{nowhere} {host}": [Kind.UNREACHABLE],
        f"127.0.0.1:{shows[host]} {host}": [],
    }
    assert number.startswith("KS-")
