"""Proofs in our zones, on real name servers."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks.clients.ca.records import Proof, ZoneRecords
from blocks.clients.comms.names_outside import Resolver
from blocks.errors import Refused
from tests.servers.acme_dns import KEY_NAME, AcmeDns

CNAME = Proof("_a1.records.example.test", "CNAME", "b2.proof.example")
TXT = Proof("records.example.test", "TXT", 'say="Ab c\\d;e"')


def shown(dns: AcmeDns, proof: Proof) -> list[str]:
    return [str(rdata) for rdata in Resolver("127.0.0.1", dns.port).look_up(proof.name, proof.kind)]


@pytest.mark.parametrize(
    ("proof", "text"), [(CNAME, "b2.proof.example."), (TXT, '"say=\\"Ab c\\\\d;e\\""')], ids=["CNAME", "TXT"]
)
def test_a_proof_is_put_there_once_and_taken_away_once(acme_dns: AcmeDns, proof: Proof, text: str) -> None:
    records = ZoneRecords([acme_dns.zone()], acme_dns.keys)
    records.publish(proof)
    records.publish(proof)
    assert shown(acme_dns, proof) == [text]
    records.withdraw(proof)
    records.withdraw(proof)
    assert shown(acme_dns, proof) == []


def test_what_others_have_at_the_same_name_stays(acme_dns: AcmeDns) -> None:
    records, other = ZoneRecords([acme_dns.zone()], acme_dns.keys), TXT._replace(value="v=spf1 -all")
    records.publish(other)
    records.publish(TXT)
    records.withdraw(TXT)
    assert shown(acme_dns, other) == ['"v=spf1 -all"']
    records.withdraw(other)


def test_a_name_is_ours_where_it_lies_in_a_zone_of_ours(acme_dns: AcmeDns) -> None:
    records = ZoneRecords([acme_dns.zone()], acme_dns.keys)
    assert records.ours("example.test")
    assert records.ours("_a1.Shop.Example.TEST")
    assert not records.ours("notexample.test")
    assert not records.ours("test")
    with pytest.raises(Refused) as error:
        records.publish(Proof("shop.example.com", "TXT", "x"))
    assert error.value.reason == "dns"


def test_the_nearest_zone_takes_the_proof(acme_dns: AcmeDns) -> None:
    wrong = acme_dns.zone().model_copy(update={"name": "test", "primary": "127.0.0.1#1"})
    ZoneRecords([wrong, acme_dns.zone()], acme_dns.keys).publish(CNAME)
    assert shown(acme_dns, CNAME) == ["b2.proof.example."]
    ZoneRecords([wrong, acme_dns.zone()], acme_dns.keys).withdraw(CNAME)


@pytest.mark.parametrize("keys", [{}, {KEY_NAME: SecretStr("d3Jvbmc=")}])
def test_a_key_that_is_missing_or_wrong_is_told(acme_dns: AcmeDns, keys: dict[str, SecretStr]) -> None:
    with pytest.raises(Refused) as error:
        ZoneRecords([acme_dns.zone()], keys).publish(CNAME)
    assert error.value.reason == "tsig"
    assert "d3Jvbmc" not in str(error.value)


@pytest.mark.parametrize(
    "proof",
    [
        Proof("example.test", "TXT", "x" * 256),
        Proof(f"{'x' * 64}.example.test", "TXT", "x"),
        Proof("a..example.test", "CNAME", "x.y"),
        Proof("a.example.test", "CNAME", "x y"),
        Proof("a.example.test", "CNAME", f"{'x' * 64}.y"),
    ],
)
def test_a_record_that_cannot_be_written_is_refused_and_not_sent(acme_dns: AcmeDns, proof: Proof) -> None:
    with pytest.raises(Refused, match="cannot be written") as error:
        ZoneRecords([acme_dns.zone()], acme_dns.keys).publish(proof)
    assert error.value.reason == "dns"
