"""Certificates put into service: shown before they are written down, and taken back where they are not shown."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.clients.ca.addresses import EndpointAt
from blocks.clients.ca.pem import facts_of
from blocks.clients.certificates import Bundle, LocalAuthority
from blocks.clients.comms.addresses import ComplexAt, MailAt, SipAt, XmppAt
from blocks.clients.consumers import ComplexConsumer, DirectoryConsumer, domain_endpoints
from blocks.clients.endpoints import look
from blocks.durable import locked
from blocks.errors import Refused, Transient
from blocks.ledger import Certificate, CertificateState, Site, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.certificate_install import install
from tests.certificate_work import (
    SLUG,
    certificates_file,
    consumer_text,
    events,
    fingerprint_of,
    in_service,
    issue,
    standing_in,
)
from tests.complexes import Servers
from tests.conftest import close_office
from tests.servers.tls_site import TlsSite, tls_site
from tests.work import NOW

TWO = ("one", "two")


class Ground:
    """Two servers that show one site, and the office that fills them."""

    def __init__(self, home: Path, servers: list[TlsSite]) -> None:
        self.home = home
        self.servers = servers

    def directory(self, name: str) -> Path:
        made = self.home / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def write(self, *, broken: str = "") -> Path:
        parts = []
        for name, server in zip(TWO, self.servers, strict=True):
            both = self.directory(name) / SLUG / "both.pem"
            command = ("/bin/false",) if name == broken else server.reload(both)
            parts.append(consumer_text(name, self.directory(name), command, [f"{server.port} tls {SLUG}"]))
        return certificates_file(self.home / "certificates.toml", *parts)

    def shown(self) -> list[str]:
        return [self.shown_by(server) for server in self.servers]

    def shown_by(self, server: TlsSite) -> str:
        return look(EndpointAt(host="127.0.0.1", port=server.port, name=SLUG))


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr("blocks.clients.consumers.PROVE_SECONDS", 0.3)
    with tls_site(tmp_path / "s1") as one, tls_site(tmp_path / "s2") as two:
        yield Ground(tmp_path / "ground", [one, two])


@pytest.fixture
def opened(ground: Ground, settings_for: Callable[..., Settings]) -> Iterator[Callable[..., Office]]:
    """Open the office anew with servers as they are now."""
    offices: list[Office] = []

    def make(*, broken: str = "") -> Office:
        offices.append(open_office(settings_for(certificates_file=ground.write(broken=broken))))
        return offices[-1]

    yield make
    for office in offices:
        close_office(office)


def test_what_every_server_shows_is_in_service_and_the_one_before_is_retired_without_its_key(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    old = issue(office, TWO)
    assert install(office, old, now=NOW).ok
    new = issue(office, TWO)
    outcome = install(office, new, now=NOW + timedelta(days=1))
    assert outcome.ok
    assert [each.fingerprint for each in outcome.seen] == ground.shown() == [fingerprint_of(office, new)] * 2
    assert in_service(office) == [new]
    with reading(office.sessions) as session:
        former = session.get_one(Certificate, old)
        assert (former.state, former.sealed_key) == (CertificateState.RETIRED, None)
        assert former.retired_at == session.get_one(Certificate, new).in_service_at == NOW + timedelta(days=1)
    assert [kind for kind, _ in events(office, "installed", "retired")] == ["installed", "retired", "installed"]


def test_a_certificate_in_service_that_is_installed_again_leaves_the_journal_alone(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    only = issue(office, TWO)
    install(office, only, now=NOW)
    ground.servers[1].loaded.unlink()
    assert install(office, only, now=NOW + timedelta(hours=1)).ok
    assert ground.shown() == [fingerprint_of(office, only)] * 2
    assert len(events(office, "installed")) == 1


@pytest.mark.parametrize("broken", TWO)
def test_where_one_server_does_not_show_it_all_get_the_one_of_before(
    ground: Ground, opened: Callable[..., Office], broken: str
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    new = issue(office, TWO)
    outcome = install(opened(broken=broken), new, now=NOW)
    assert not outcome.ok
    assert f"{broken}: /bin/false ended with 1" in outcome.why
    assert ground.shown() == [fingerprint_of(office, old)] * 2
    assert in_service(office) == [old]
    for name in TWO:
        [standing] = [consumer for consumer in office.certificates_at.consumer if consumer.name == name]
        bundle = standing_in(standing.directory)
        assert bundle is not None
        assert facts_of(bundle.chain).fingerprint == fingerprint_of(office, old)
    assert [kind for kind, _ in events(office, "install_failed")] == ["install_failed"]


def test_a_server_that_reads_nothing_anew_is_told_and_gets_the_one_of_before(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    text = office.settings.certificates_file
    assert text is not None
    text.write_text(text.read_text().replace("/bin/cp", "/bin/true"))
    deaf = open_office(office.settings)
    new = issue(deaf, TWO)
    outcome = install(deaf, new, now=NOW)
    close_office(deaf)
    assert not outcome.ok
    assert outcome.put_back
    assert f"shows {fingerprint_of(office, old)}" in outcome.why
    assert ground.shown() == [fingerprint_of(office, old)] * 2
    assert [kind for kind, _ in events(office, "install_failed", "put_back")] == ["install_failed", "put_back"]


def test_a_first_certificate_that_is_not_shown_stays_where_it_was_put(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened(broken="two")
    only = issue(office, TWO)
    outcome = install(office, only, now=NOW)
    assert (outcome.ok, outcome.put_back) == (False, False)
    assert "none was in service before" in outcome.why
    assert in_service(office) == []
    assert ground.shown_by(ground.servers[0]) == fingerprint_of(office, only)


def test_a_server_that_cannot_get_the_one_of_before_does_not_keep_the_others_from_it(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    new = issue(office, TWO)
    broken = opened(broken="one")
    ground.servers[0].loaded.unlink()
    outcome = install(broken, new, now=NOW)
    assert (outcome.ok, outcome.put_back) == (False, False)
    assert "could not be put back: one: " in outcome.why
    assert ground.shown_by(ground.servers[1]) == fingerprint_of(office, old)
    [(_, why)] = events(office, "put_back_failed")
    assert why.startswith("one: ")


def test_one_server_that_is_down_does_not_bring_a_certificate_back_that_ends(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    end = NOW + timedelta(days=90)
    new = issue(office, TWO, now=NOW + timedelta(days=50))
    broken = opened(broken="one")
    early = install(broken, new, now=end - timedelta(hours=13))
    assert not early.ok
    assert ground.shown_by(ground.servers[1]) == fingerprint_of(office, old)
    for now in (end - timedelta(hours=12), end + timedelta(hours=1)):
        outcome = install(broken, new, now=now)
        assert (outcome.ok, outcome.put_back) == (False, False)
        assert "the one before ends on" in outcome.why
        assert ground.shown_by(ground.servers[1]) == fingerprint_of(office, new)
    assert in_service(office) == [old]


@pytest.mark.parametrize(("why", "kept"), [("key_compromise", False), ("revoked_by_ca", False), ("ca_advice", True)])
def test_what_nobody_is_to_trust_is_not_put_back(
    ground: Ground, opened: Callable[..., Office], why: str, kept: bool
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    new = issue(office, TWO)
    with transaction(office.sessions) as session:
        session.get_one(Certificate, new).emergency = why
    assert not install(opened(broken="one"), new, now=NOW).ok
    assert ground.shown_by(ground.servers[1]) == fingerprint_of(office, old if kept else new)


def test_a_certificate_in_service_whose_key_is_gone_does_not_keep_its_successor_out(
    ground: Ground, opened: Callable[..., Office]
) -> None:
    office = opened()
    install(office, issue(office, TWO), now=NOW)
    with transaction(office.sessions) as session:
        session.get_one(Certificate, in_service(office)[0]).sealed_key = None
    new = issue(office, TWO)
    assert install(office, new, now=NOW).ok
    assert in_service(office) == [new]


def test_one_that_is_revoked_while_it_is_installed_is_taken_back(
    ground: Ground, opened: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = opened()
    old = issue(office, TWO)
    install(office, old, now=NOW)
    new = issue(office, TWO)
    plain = DirectoryConsumer.prove

    def late(*arguments: Any) -> Any:
        with transaction(office.sessions) as session:
            session.get_one(Certificate, new).state = CertificateState.REVOKED
        return plain(*arguments)

    monkeypatch.setattr(DirectoryConsumer, "prove", late)
    outcome = install(office, new, now=NOW)
    assert (outcome.ok, outcome.put_back) == (False, True)
    assert ground.shown() == [fingerprint_of(office, old)] * 2


@pytest.mark.parametrize(
    ("state", "at", "reason"),
    [
        (CertificateState.RETIRED, NOW, "state"),
        (CertificateState.REVOKED, NOW, "state"),
        (CertificateState.ANNOUNCED, NOW + timedelta(days=91), "state"),
        (CertificateState.ANNOUNCED, NOW - timedelta(days=1), "state"),
    ],
)
def test_what_is_over_or_not_valid_does_not_go_into_service(
    opened: Callable[..., Office], state: CertificateState, at: datetime, reason: str
) -> None:
    office = opened()
    only = issue(office, TWO)
    with transaction(office.sessions) as session:
        session.get_one(Certificate, only).state = state
    with pytest.raises(Refused) as refused:
        install(office, only, now=at)
    assert refused.value.reason == reason


def test_what_its_customer_keeps_the_key_of_is_not_ours_to_install(opened: Callable[..., Office]) -> None:
    office = opened()
    only = issue(office, TWO)
    with transaction(office.sessions) as session:
        session.get_one(Certificate, only).sealed_key = None
    with pytest.raises(Refused, match="its customer installs it"):
        install(office, only, now=NOW)
    with transaction(office.sessions) as session:
        session.get_one(Site, session.get_one(Certificate, only).site_id).consumers = []
    with pytest.raises(Refused, match="nobody here"):
        install(office, only, now=NOW)


def test_a_site_is_installed_by_one_at_a_time(opened: Callable[..., Office]) -> None:
    office = opened()
    only = issue(office, TWO)
    (office.settings.home / "installing").mkdir()
    with locked(office.settings.home / "installing" / SLUG, fcntl.LOCK_EX), pytest.raises(Transient):
        install(office, only, now=NOW)
    assert install(office, only, now=NOW).ok


def test_a_complex_shows_a_domain_at_its_messenger_upload_and_phone_ports(tmp_path: Path) -> None:
    at = ComplexAt(
        name="c1",
        host="c1.example.test",
        addresses=("192.0.2.1",),
        xmpp=XmppAt(api_url="http://127.0.0.1:1", hosts_file=Path("/h"), certificates=Path("/c")),
        mail=MailAt(doveadm_url="http://127.0.0.1:1"),
        sip=SipAt(rpc_url="http://127.0.0.1:1", tls_file=Path("/t"), certificates=tmp_path),
    )
    messengers = [(5222, "xmpp-client", "d.test"), (5223, "tls", "d.test"), (5444, "tls", "upload.d.test")]
    assert asked_of(at, "d.test") == [*messengers, (5061, "tls", "d.test")]
    (tmp_path / "default.pem").write_text(LocalAuthority(tmp_path / "ca", lambda: NOW).of("shared.test").chain)
    assert asked_of(at, "d.test") == [*messengers, (5061, "tls", "d.test")]
    assert {port for port, _, _ in asked_of(at, "k000001.shared.test")} == {5222, 5223, 5444}, "SIP: the host's is good"


def asked_of(at: ComplexAt, domain: str) -> list[tuple[int, str, str]]:
    return [(each.port, each.protocol, each.name) for each in domain_endpoints(at, domain)]


def test_a_complex_gets_the_certificate_it_is_given_and_not_the_one_in_service() -> None:
    serving = Servers()
    consumer = ComplexConsumer(serving, None)
    consumer.install("d.test", Bundle(chain="new", key="k"))
    assert serving.bundles["d.test"].chain == "new"
    consumer.install("d.test", Bundle(chain="old", key="k"))
    assert serving.bundles["d.test"].chain == "old"
    assert consumer.prove("d.test", ("d.test",), "f") == ()
