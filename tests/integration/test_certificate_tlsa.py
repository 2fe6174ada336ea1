"""Keys of certificates in the DNS: before the swap both stand there, some time after it the new one alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.ca.zones import Zones
from blocks.clients.comms.name_server import NameServer
from blocks.clients.comms.names import DnsNames
from blocks.errors import Refused, Transient
from blocks.issued import KEPT_IN_DNS, IssuedCertificates, keys_told
from blocks.ledger import CertificateState, Order, Site, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from blocks.terms.ks_zone import Record
from tasks.certificate_tlsa import keep_tlsa
from tests.certificates import a_certificate, change, coming, events_of, in_service, row_of
from tests.conftest import close_office
from tests.integration.test_comms_dns import asked
from tests.servers.comms_dns import NameServers
from tests.servers.processes import free_port
from tests.work import NOW, ks, ordered

SECOND = timedelta(seconds=1)
SITE = "front.own.test"
PLACES = (f"_443._tcp.{SITE}", f"_5061._tcp.sip.{SITE}")
FILE = """
[[authority]]
name = "local"
kind = "local"

[[zone]]
name = "ront.own.test"
primary = "127.0.0.1#{nowhere}"
tsig_name = "none"
servers = ["127.0.0.1#{nowhere}"]

[[zone]]
name = "own.test"
primary = "{address}#{port}"
tsig_name = "{key}"
servers = ["{address}#{port}"]

[[consumer]]
name = "front"
directory = "/nonexistent"
endpoints = [
  {{ host = "front.own.test", port = 443 }},
  {{ host = "192.0.2.1", port = 5061, name = "sip.front.own.test" }},
  {{ host = "192.0.2.1", port = 5062 }},
  {{ host = "deep.sip.front.own.test", port = 443 }},
  {{ host = "other.own.test", port = 443 }},
]
"""


@pytest.fixture
def make(
    dns_servers: NameServers, settings_for: Callable[..., Settings], tmp_path: Path
) -> Iterator[Callable[..., Office]]:
    """Offices whose own hosts have names in a zone on our name servers."""
    opened: list[Office] = []

    def office(**keys: str) -> Office:
        path = tmp_path / "certificates.toml"
        at = dns_servers.at
        path.write_text(FILE.format(address=at.primary, port=at.port, key=at.tsig_name, nowhere=free_port()))
        held = keys or {at.tsig_name: dns_servers.dns.update_key}
        opened.append(open_office(settings_for(certificates_file=path, tsig_keys=held)))
        return opened[-1]

    yield office
    for each in opened:
        close_office(each)


@pytest.fixture
def office(make: Callable[..., Office], dns_servers: NameServers) -> Iterator[Office]:
    """An office that may write; what it wrote is gone afterwards."""
    yield make()
    server = NameServer(
        dns_servers.at.primary, dns_servers.at.port, dns_servers.at.tsig_name, dns_servers.dns.update_key
    )
    for name in PLACES:
        held = [Record(name, 300, "TLSA", each) for each in asked(dns_servers, name, "TLSA")]
        server.change("own.test", drop=held)


def keys_at(servers: NameServers, place: str) -> set[str]:
    return {told.removeprefix("3 1 1 ") for told in asked(servers, place, "TLSA")}


def key(office: Office, certificate: int) -> str:
    return row_of(office, certificate).key_hash


def site_id(office: Office, slug: str = SITE) -> int:
    with reading(office.sessions) as session:
        return session.scalars(select(Site.id).where(Site.slug == slug)).one()


def test_both_keys_stand_in_the_dns_until_nobody_remembers_the_old_one(
    office: Office, dns_servers: NameServers
) -> None:
    old = in_service(office, SITE)
    new = coming(office, SITE)
    kept = keep_tlsa(office, site_id(office), now=NOW)
    assert [(each.place.port, each.place.host, each.zone, each.signed, each.added) for each in kept] == [
        (443, SITE, "own.test", True, 2),
        (5061, f"sip.{SITE}", "own.test", True, 2),
    ]
    for place in PLACES:
        assert keys_at(dns_servers, place) == {key(office, old), key(office, new)}
    swap = NOW + timedelta(days=50)
    change(office, old, state=CertificateState.RETIRED, retired_at=swap)
    change(office, new, state=CertificateState.IN_SERVICE, in_service_at=swap)
    keep_tlsa(office, site_id(office), now=swap + KEPT_IN_DNS - SECOND)
    assert keys_at(dns_servers, PLACES[0]) == {key(office, old), key(office, new)}
    kept = keep_tlsa(office, site_id(office), now=swap + KEPT_IN_DNS)
    assert {(each.added, each.dropped) for each in kept} == {(0, 1)}
    assert keys_at(dns_servers, PLACES[0]) == {key(office, new)}
    assert events_of(office, SITE).count("tlsa") == 2


def test_what_is_as_it_should_be_is_not_written_again(
    office: Office, dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_service(office, SITE)
    keep_tlsa(office, site_id(office), now=NOW)
    monkeypatch.setattr(NameServer, "change", None)
    assert all(each.added == each.dropped == 0 for each in keep_tlsa(office, site_id(office), now=NOW))
    assert events_of(office, SITE).count("tlsa") == 1


def test_records_of_others_stay_and_those_of_a_site_that_is_over_go(office: Office, dns_servers: NameServers) -> None:
    at = dns_servers.at
    stranger = Record(PLACES[0], 300, "TLSA", f"3 1 1 {'ab' * 32}")
    NameServer(at.primary, at.port, at.tsig_name, dns_servers.dns.update_key).change("own.test", add=[stranger])
    made = in_service(office, SITE)
    keep_tlsa(office, site_id(office), now=NOW)
    assert keys_at(dns_servers, PLACES[0]) == {"ab" * 32, key(office, made)}
    with transaction(office.sessions) as session:
        session.get_one(Site, site_id(office)).retired_at = NOW
    keep_tlsa(office, site_id(office), now=NOW)
    assert keys_at(dns_servers, PLACES[0]) == {"ab" * 32}


def test_a_revoked_key_is_told_of_no_more(office: Office) -> None:
    made = in_service(office, SITE)
    change(office, made, state=CertificateState.REVOKED, revoked_at=NOW, retired_at=NOW)
    with reading(office.sessions) as session:
        assert keys_told(session, site_id(office), now=NOW) == ()


def test_at_a_customers_domain_nothing_is_written(office: Office) -> None:
    number = ordered(office, "A-1", ks())
    with reading(office.sessions) as session:
        order_id = session.scalars(select(Order.id).where(Order.number == number)).one()
    a_certificate(office, "own.test", order_id=order_id)
    in_service(office, SITE)
    assert keep_tlsa(office, site_id(office), now=NOW) == ()


def test_a_host_in_no_zone_of_ours_is_said_to_be_so(office: Office) -> None:
    bare = replace(office)
    vars(bare)["certificates_at"] = office.certificates_at.model_copy(update={"zone": ()})
    in_service(bare, SITE)
    kept = keep_tlsa(bare, site_id(bare), now=NOW)
    assert {(each.zone, each.signed, each.added) for each in kept} == {("", False, 0)}


def test_the_nearest_of_several_zones_holds_a_host(office: Office) -> None:
    one = office.certificates_at.zone[0]
    zones = [one.model_copy(update={"name": name}) for name in ("own.test", SITE, f"x.{SITE}", "t.own.test")]
    for order in (zones, zones[::-1]):
        assert [found.name for found in map(Zones(order, {}).of, (SITE, f"a.{SITE}", "b.own.test")) if found] == [
            SITE,
            SITE,
            "own.test",
        ]
    assert Zones(zones, {}).of("down.test") is None


def test_a_missing_or_wrong_key_is_refused_and_a_silent_server_is_tried_later(make: Callable[..., Office]) -> None:
    wrong = make(other="AAAA")
    in_service(wrong, SITE)
    with pytest.raises(Refused, match="DOGOVOR_TSIG_KEYS has no key"):
        keep_tlsa(wrong, site_id(wrong), now=NOW)
    wrong = make(**{wrong.certificates_at.zone[1].tsig_name: "AAAA"})
    with pytest.raises(Refused, match="same TSIG key"):
        keep_tlsa(wrong, site_id(wrong), now=NOW)
    away = make(none="AAAA")
    near = away.certificates_at.zone[0].model_copy(update={"name": SITE})
    vars(away)["certificates_at"] = away.certificates_at.model_copy(update={"zone": (near,)})
    with pytest.raises(Transient, match="does not answer"):
        keep_tlsa(away, site_id(away), now=NOW)


@pytest.mark.clause("KS-3.2", "KS-3.8")
def test_ks_3_8_a_customers_domain_has_both_keys_in_the_dns_and_is_proven_so(
    office: Office, dns_servers: NameServers
) -> None:
    domain = "k000108.own.test"
    old = in_service(office, domain, consumers=("complex",))
    moments = [NOW]
    held = IssuedCertificates(office.sessions, office.sealer, lambda: moments[-1])
    names = DnsNames(dns_servers.at, dns_servers.dns.update_key, dns_servers.complex_at, held, patience_s=0)
    names.publish(domain)
    place = f"_5222._tcp.{domain}"
    assert keys_at(dns_servers, place) == {key(office, old)}
    new = coming(office, domain, consumers=("complex",))
    names.publish(domain)
    assert keys_at(dns_servers, place) == {key(office, old), key(office, new)}
    assert names.verify(domain).ok
    change(office, old, state=CertificateState.RETIRED, retired_at=NOW)
    change(office, new, state=CertificateState.IN_SERVICE)
    moments.append(NOW + KEPT_IN_DNS)
    names.publish(domain)
    assert keys_at(dns_servers, place) == {key(office, new)}
    assert "PRIVATE KEY" in held.of(domain).key


def test_a_domain_without_a_certificate_resolves_without_keys(office: Office, dns_servers: NameServers) -> None:
    domain = "k000109.own.test"
    held = IssuedCertificates(office.sessions, office.sealer, lambda: NOW)
    assert held.key_hashes(domain) == ()
    names = DnsNames(dns_servers.at, dns_servers.dns.update_key, dns_servers.complex_at, held, patience_s=0)
    names.publish(domain)
    assert asked(dns_servers, domain, "MX") == {"10 c1.own.test."}
    assert keys_at(dns_servers, f"_5222._tcp.{domain}") == set()
