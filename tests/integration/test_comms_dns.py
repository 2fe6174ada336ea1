"""Customers' domains on real name servers: a primary, a secondary that follows its catalog, and a resolver."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import pytest
from pydantic import SecretStr

from blocks.clients.ca.dns01 import Dns01
from blocks.clients.ca.home_zones import HomeZones
from blocks.clients.comms import names_outside, rndc
from blocks.clients.comms.name_server import NameServer
from blocks.clients.comms.names import DnsNames
from blocks.errors import Refused, Transient
from blocks.terms.ks_complex import Proof
from blocks.terms.ks_zone import Record
from tests.servers.comms_dns import ELSEWHERE, NameServers
from tests.servers.processes import free_port, wait_until

ENOUGH_S = 30.0


def changed(servers: NameServers, /, **at: object) -> DnsNames:
    place = servers.at.model_copy(update=at)
    return DnsNames(place, servers.dns.update_key, servers.complex_at, servers.authority, patience_s=0)


def asked(servers: NameServers, name: str, kind: str, *, address: str = "", port: int = 0) -> set[str]:
    query = dns.message.make_query(name, kind, use_edns=0)
    said = dns.query.tcp(query, address or servers.plan.address, 5, port or servers.dns.port)
    return {rdata.to_text() for found in said.answer if found.rdtype.name == kind for rdata in found}


def serial(servers: NameServers, zone: str) -> str:
    [start] = asked(servers, zone, "SOA")
    return start.split()[2]


def edit(servers: NameServers, zone: str, name: str, *record: str | int) -> None:
    key = dns.tsig.Key(servers.dns.tsig_name, servers.dns.update_key, "hmac-sha256")
    update = dns.update.UpdateMessage(zone, keyring=key)
    update.add(f"{name}.", *record)
    answer = dns.query.tcp(update, servers.plan.address, 5, servers.dns.port)
    assert answer.rcode() == dns.rcode.NOERROR


def proven(servers: NameServers, domain: str) -> Proof:
    proofs = [servers.names.verify(domain)]

    def good() -> bool:
        proofs.append(servers.names.verify(domain))
        return proofs[-1].ok

    wait_until(good, ENOUGH_S, f"{domain} is proven")
    return proofs[-1]


def files(servers: NameServers, domain: str) -> list[str]:
    place = servers.plan.home / "dns"
    return sorted(path.name for path in place.rglob("*") if domain in path.name)


def without_authority(answer: dns.message.Message) -> None:
    answer.flags &= ~dns.flags.AA


def unsigned(answer: dns.message.Message) -> None:
    for found in answer.answer:
        if found.rdtype == dns.rdatatype.RRSIG:
            answer.answer.remove(found)
            for key in [key for key, value in answer.index.items() if value is found]:
                del answer.index[key]


def forged(answer: dns.message.Message) -> None:
    [found] = [each for each in answer.answer if each.rdtype != dns.rdatatype.RRSIG]
    if found.rdtype == dns.rdatatype.SOA:
        true = found[0]
        found.remove(true)  # type: ignore[no-untyped-call]
        found.add(true.replace(minimum=1))


def broken(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, end)


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_a_domain_in_our_zone_resolves_with_everything_it_should_have(dns_servers: NameServers) -> None:
    dns_servers.names.publish("k000001.own.test")
    proof = dns_servers.names.verify("k000001.own.test")
    assert (proof.ok, proof.detail) == (True, "29 records resolve")
    assert asked(dns_servers, "xmpp.k000001.own.test", "AAAA") == {"2001:db8::1"}
    assert asked(dns_servers, "k000001.own.test", "MX") == {"10 c1.own.test."}


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_what_does_not_resolve_is_named(dns_servers: NameServers) -> None:
    proof = dns_servers.names.verify("k000002.own.test")
    assert not proof.ok
    assert "A k000002.own.test" in proof.detail
    assert len(proof.detail) <= 300
    dns_servers.names.publish("k000002.own.test")
    edit(dns_servers, "own.test", "k000002.own.test", 3600, "MX", "5 mail.rival.test.")
    one = "not as it should be: MX k000002.own.test"
    wait_until(lambda: dns_servers.names.verify("k000002.own.test").detail == one, ENOUGH_S, one)


def test_what_was_published_just_now_is_waited_for(dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch) -> None:
    place, domain = dns_servers.at, f"k000044.{dns_servers.at.own_zone}"
    secret, authority = dns_servers.dns.update_key, dns_servers.authority
    patient = DnsNames(place, secret, dns_servers.complex_at, authority, patience_s=ENOUGH_S)
    asked_again = iter(["A of it", ""])
    monkeypatch.setattr("blocks.clients.comms.names.missing", lambda *_: [what] if (what := next(asked_again)) else [])
    assert patient.verify(domain).ok
    assert next(asked_again, None) is None


def test_a_domain_that_is_right_is_not_written_again(dns_servers: NameServers) -> None:
    for domain, zone in (("k000003.own.test", "own.test"), ("same.test", "same.test")):
        dns_servers.names.publish(domain)
        before = serial(dns_servers, zone)
        dns_servers.names.publish(domain)
        assert serial(dns_servers, zone) == before


@pytest.mark.parametrize(("domain", "zone"), [("k000004.own.test", "own.test"), ("exact.test", "exact.test")])
def test_publishing_removes_what_is_foreign_and_leaves_challenges_alone(
    dns_servers: NameServers, domain: str, zone: str
) -> None:
    dns_servers.names.publish(domain)
    edit(dns_servers, zone, domain, 3600, "TXT", '"foreign"')
    edit(dns_servers, zone, f"a.b.{domain}", 60, "CNAME", "rival.test.")
    edit(dns_servers, zone, f"_acme-challenge.{domain}", 60, "TXT", '"token"')
    edit(dns_servers, zone, f"_acme-challenge.upload.{domain}", 60, "TXT", '"other"')
    dns_servers.names.publish(domain)
    assert asked(dns_servers, domain, "TXT") == {'"v=spf1 mx -all"'}
    assert not asked(dns_servers, f"a.b.{domain}", "CNAME")
    assert asked(dns_servers, f"_acme-challenge.{domain}", "TXT") == {'"token"'}
    assert asked(dns_servers, f"_acme-challenge.upload.{domain}", "TXT") == {'"other"'}
    dns_servers.names.withdraw(domain)
    assert not asked(dns_servers, f"_acme-challenge.{domain}", "TXT")


def test_a_time_to_live_that_differs_is_set_right(dns_servers: NameServers) -> None:
    dns_servers.names.publish("k000005.own.test")
    edit(dns_servers, "own.test", "k000005.own.test", 7, "MX", "10 c1.own.test.")
    dns_servers.names.publish("k000005.own.test")
    query = dns.message.make_query("k000005.own.test", "MX")
    [found] = dns.query.tcp(query, dns_servers.plan.address, 5, dns_servers.dns.port).answer
    assert found.ttl == 3600


def test_orders_in_one_zone_do_not_touch_each_other(dns_servers: NameServers) -> None:
    for domain in ("k1.own.test", "k10.own.test", "xk1.own.test"):
        dns_servers.names.publish(domain)
    dns_servers.names.withdraw("k1.own.test")
    assert not asked(dns_servers, "k1.own.test", "A")
    assert not asked(dns_servers, "_imap._tcp.k1.own.test", "SRV")
    assert all(dns_servers.names.verify(domain).ok for domain in ("k10.own.test", "xk1.own.test"))
    assert asked(dns_servers, "c1.own.test", "A") == {"127.0.0.1"}


def test_a_zone_that_changes_meanwhile_is_looked_at_again(dns_servers: NameServers) -> None:
    at = dns_servers.at
    server = NameServer(at.primary, at.port, at.tsig_name, dns_servers.dns.update_key)
    calls: list[int] = []

    def wanted() -> list[Record]:
        calls.append(1)
        if len(calls) == 1:
            edit(dns_servers, "own.test", "k000006.own.test", 60, "TXT", '"in between"')
        return [Record("k000006.own.test", 60, "A", "192.0.2.6")]

    server.make("own.test", "k000006.own.test", wanted, lambda _: False)
    assert len(calls) == 2
    assert not asked(dns_servers, "k000006.own.test", "TXT")


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_domain_of_its_own_is_a_signed_zone_on_every_name_server(dns_servers: NameServers) -> None:
    dns_servers.names.publish("firm.test")
    proof = proven(dns_servers, "firm.test")
    assert proof.facts["dnssec"] == "valid"
    assert proof.facts["servers"] == "ns1.own.test, ns2.own.test"
    assert proof.facts["serial"] == serial(dns_servers, "firm.test")
    assert asked(dns_servers, "firm.test", "MX", address="::1") == {"10 c1.own.test."}
    [ds] = dns_servers.names.ds_of("firm.test")
    [key] = dns_servers.at.zones.glob("Kfirm.test.*.key")
    made = subprocess.run(["dnssec-dsfromkey", "-2", key], capture_output=True, text=True, check=True).stdout
    assert made.split()[3:] == ds.upper().split()
    assert dns_servers.names.ds_of("k000001.own.test") == []


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_start_that_differs_is_set_right(dns_servers: NameServers) -> None:
    dns_servers.names.publish("moved.test")
    before = serial(dns_servers, "moved.test")
    changed(dns_servers, servers=("ns9.own.test",), hostmaster="new.one@own.test").publish("moved.test")
    assert asked(dns_servers, "moved.test", "NS") == {"ns9.own.test."}
    [start] = asked(dns_servers, "moved.test", "SOA")
    assert start.startswith(r"ns9.own.test. new\.one.own.test. ")
    assert int(serial(dns_servers, "moved.test")) > int(before)


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_domain_that_is_not_delegated_to_us_is_said_to_be_so(dns_servers: NameServers) -> None:
    dns_servers.names.publish(ELSEWHERE)
    proof = dns_servers.names.verify(ELSEWHERE)
    assert not proof.ok
    assert proof.detail.startswith(f"{ELSEWHERE} is not delegated to us yet: 127.0.0.1 sees ns.invalid")
    dns_servers.names.withdraw(ELSEWHERE)


@pytest.mark.parametrize(("owner", "name"), [(rndc.Rndc, "add"), (NameServer, "change"), (NameServer, "make")])
def test_publishing_that_was_broken_off_is_ended_by_the_next(
    dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    domain = f"cut-{name}.test"
    with monkeypatch.context() as patched:
        broken(patched, owner, name)
        with pytest.raises(KeyboardInterrupt):
            dns_servers.names.publish(domain)
    dns_servers.names.publish(domain)
    assert proven(dns_servers, domain).ok
    assert len([file for file in files(dns_servers, domain) if file.endswith(".db") and "catz" not in file]) == 1


@pytest.mark.parametrize(("owner", "name"), [(NameServer, "change"), (rndc.Rndc, "delete"), (DnsNames, "_clear")])
def test_withdrawing_that_was_broken_off_is_ended_by_the_next_and_leaves_nothing(
    dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    domain = f"gone{name.replace('_', '-')}.test"
    dns_servers.names.publish(domain)
    proven(dns_servers, domain)
    assert files(dns_servers, domain)
    with monkeypatch.context() as patched:
        broken(patched, owner, name)
        with pytest.raises(KeyboardInterrupt):
            dns_servers.names.withdraw(domain)
    dns_servers.names.withdraw(domain)
    dns_servers.names.withdraw(domain)
    wait_until(lambda: not files(dns_servers, domain), ENOUGH_S, "every file is gone")
    for address in (dns_servers.plan.address, "::1"):
        assert not asked(dns_servers, domain, "SOA", address=address)


def test_a_domain_whose_zone_somebody_deleted_leaves_the_catalog_too(dns_servers: NameServers) -> None:
    dns_servers.names.publish("byhand.test")
    proven(dns_servers, "byhand.test")
    at = dns_servers.at
    rndc.Rndc(at.primary, at.control_port, at.rndc_key).delete("byhand.test")
    assert asked(dns_servers, "byhand.test", "SOA", address="::1")
    dns_servers.names.withdraw("byhand.test")
    wait_until(lambda: not files(dns_servers, "byhand.test"), ENOUGH_S, "the secondary drops it")


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_authority, "does not serve it"),
        (forged, "has a signature that is not valid"),
        (unsigned, "is not signed"),
    ],
)
def test_ks_4_3_a_name_server_that_answers_wrongly_is_named(
    dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[dns.message.Message], None], said: str
) -> None:
    dns_servers.names.publish("firm.test")
    proven(dns_servers, "firm.test")
    real = dns.query.udp_with_fallback

    def spoiled(query: dns.message.Message, *args: Any, **more: Any) -> tuple[dns.message.Message, bool]:
        answer, stream = real(query, *args, **more)
        if not query.flags & dns.flags.RD and answer.answer:
            spoil(answer)
        return answer, stream

    monkeypatch.setattr(dns.query, "udp_with_fallback", spoiled)
    assert f"ns1.own.test {said}" in dns_servers.names.verify("firm.test").detail


def test_a_domain_comes_back_after_it_was_withdrawn(dns_servers: NameServers) -> None:
    dns_servers.names.publish("back.test")
    [first] = dns_servers.names.ds_of("back.test")
    dns_servers.names.withdraw("back.test")
    dns_servers.names.publish("back.test")
    assert proven(dns_servers, "back.test").ok
    assert dns_servers.names.ds_of("back.test") != [first]


def test_a_domain_that_was_never_there_is_withdrawn_without_a_word(dns_servers: NameServers) -> None:
    before = serial(dns_servers, "own.test")
    dns_servers.names.withdraw("never.test")
    dns_servers.names.withdraw("never.own.test")
    assert serial(dns_servers, "own.test") == before
    with pytest.raises(Refused, match="refuses never"):
        dns_servers.names.ds_of("never.test")


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize(
    "domain",
    [
        "own.test",
        "catalog.invalid",
        "test",
        "ns1.own.test.evil",
        "ns1.own.test",
        'x.test";}',
        "a/b.own.test",
        "-.own.test",
    ],
)
def test_ks_4_3_nobody_gets_a_name_that_is_not_a_customer_s(dns_servers: NameServers, domain: str) -> None:
    for call in (dns_servers.names.publish, dns_servers.names.withdraw, dns_servers.names.verify):
        with pytest.raises(Refused) as refused:
            call(domain)
        assert refused.value.reason == "domain"


def test_a_zone_of_the_configuration_is_never_taken(dns_servers: NameServers) -> None:
    at = dns_servers.at.model_copy(update={"own_zone": "k.example", "servers": ("ns1.k.example",)})
    complex_at = dns_servers.complex_at.model_copy(update={"host": "c1.k.example"})
    names = DnsNames(at, dns_servers.dns.update_key, complex_at, dns_servers.authority, patience_s=0)
    before = asked(dns_servers, "own.test", "NS")
    for call in (names.publish, names.withdraw):
        with pytest.raises(Refused, match="own configuration"):
            call("own.test")
    assert asked(dns_servers, "own.test", "NS") == before


def test_a_long_signing_key_arrives_whole(dns_servers: NameServers) -> None:
    key = b64encode(bytes(range(256)) + bytes(38)).decode()
    changed(dns_servers, dkim_public_key=key).publish("k000007.own.test")
    [text] = asked(dns_servers, "mail._domainkey.k000007.own.test", "TXT")
    assert text.replace('" "', "").strip('"') == f"v=DKIM1; k=rsa; p={key}"
    assert changed(dns_servers, dkim_public_key=key).verify("k000007.own.test").ok


@pytest.mark.parametrize("domain", ["k000008.own.test", "wrong.test"])
def test_a_wrong_key_is_refused_and_is_in_no_text(dns_servers: NameServers, domain: str) -> None:
    wrong = b64encode(b"w" * 32).decode()
    names = DnsNames(dns_servers.at, wrong, dns_servers.complex_at, dns_servers.authority, patience_s=0)
    with pytest.raises(Refused) as refused:
        names.publish(domain)
    assert refused.value.reason == "tsig"
    assert wrong not in str(refused.value)
    with pytest.raises(Refused):
        changed(dns_servers, tsig_name="nobody").publish(domain)
    dns_servers.names.withdraw(domain)


def test_a_wrong_control_key_is_refused(dns_servers: NameServers, tmp_path: Path) -> None:
    key = tmp_path / "rndc.key"
    wrong = b64encode(b"w" * 32).decode()
    key.write_text(f'key "dogovor-control" {{ algorithm hmac-sha256; secret "{wrong}"; }};\n')
    with pytest.raises(Refused, match="refuses zonestatus"):
        changed(dns_servers, rndc_key=key).publish("control.test")


@pytest.mark.parametrize(
    ("domain", "port"), [("k000009.own.test", "port"), ("down.test", "port"), ("down.test", "control_port")]
)
def test_a_primary_that_is_down_is_transient(dns_servers: NameServers, domain: str, port: str) -> None:
    with pytest.raises(Transient):
        changed(dns_servers, **{port: free_port()}).publish(domain)
    dns_servers.names.withdraw(domain)


def test_a_resolver_that_is_down_is_transient(dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_outside, "WAIT_S", 0.2)
    with pytest.raises(Transient):
        changed(dns_servers, resolvers=(f"127.0.0.1#{free_port()}",)).verify("k000001.own.test")


def test_a_lack_of_rndc_names_its_package(dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rndc, "which", lambda *_, **__: None)
    with pytest.raises(Refused, match="bind9-utils"):
        dns_servers.names.publish("lacking.test")


def test_a_directory_of_zones_that_is_not_there_is_refused(dns_servers: NameServers, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        changed(dns_servers, zones=tmp_path / "none").publish("nowhere.test")


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_every_name_server_states_its_version(dns_servers: NameServers) -> None:
    stated = dns_servers.names.software()
    assert [each.role for each in stated] == ["primary name server", "name server ns2.own.test"]
    assert all(each.name == "BIND" and each.version.startswith("9.") for each in stated)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_name_servers_tell_strangers_no_version_no_zone_and_nothing_of_others(
    dns_servers: NameServers, address: str
) -> None:
    def code(query: dns.message.Message) -> str:
        said = dns.query.tcp(query, address, 5, dns_servers.dns.port)
        return "answered" if said.answer else dns.rcode.to_text(said.rcode())

    assert code(dns.message.make_query("version.bind", "TXT", "CH")) != "answered"
    assert code(dns.message.make_query("own.test", "AXFR")) == "REFUSED"
    assert code(dns.message.make_query(ELSEWHERE, "A")) == "REFUSED"
    assert code(dns.message.make_query("catalog.invalid", "SOA")) == "REFUSED"
    update = dns.update.UpdateMessage("own.test")
    update.add("stranger", 60, "A", "192.0.2.9")
    assert code(update) in {"REFUSED", "NOTAUTH"}


def test_the_next_domain_costs_as_many_questions_as_the_first(
    dns_servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def questions(ask: Callable[[], None]) -> int:
        count: list[int] = []
        real = dns.query.tcp

        def counted(*args: object, **more: object) -> object:
            count.append(1)
            return real(*args, **more)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(dns.query, "tcp", counted)
            ask()
        return len(count)

    first = questions(lambda: dns_servers.names.publish("m00.own.test"))
    for number in range(1, 20):
        dns_servers.names.publish(f"m{number:02d}.own.test")
    assert questions(lambda: dns_servers.names.publish("m20.own.test")) == first
    assert questions(lambda: dns_servers.names.publish("m10a.own.test")) == first


PROOFS = frozenset({"a" * 43, "b" * 43})


@pytest.mark.parametrize("domain", ["k000071.own.test", "brought71.test"])
def test_a_customers_domain_is_proven_to_a_ca_where_its_names_stand(dns_servers: NameServers, domain: str) -> None:
    names = dns_servers.names
    names.publish(domain)
    home = HomeZones(dns_servers.at, lambda held: held == domain)
    keys = {dns_servers.at.tsig_name: SecretStr(dns_servers.dns.update_key)}
    dns01 = Dns01((), keys, dns_servers.at.resolvers, home=home)
    placed = dns01.publish({domain: PROOFS}, ENOUGH_S)
    challenge = f"_acme-challenge.{domain}"
    assert asked(dns_servers, challenge, "TXT") == {f'"{proof}"' for proof in PROOFS}
    names.publish(domain)
    assert asked(dns_servers, challenge, "TXT") == {f'"{proof}"' for proof in PROOFS}, "the names leave proofs alone"
    dns01.remove(placed)
    assert asked(dns_servers, challenge, "TXT") == set()


def test_a_domain_that_is_nobodys_has_no_zone_of_ours(dns_servers: NameServers) -> None:
    assert HomeZones(dns_servers.at, lambda _: False)("_acme-challenge.stranger.test") is None
