"""KeepSecrets: which domains a customer may bring, and the records of each."""

from __future__ import annotations

from base64 import b64encode

import pytest

from blocks.terms.ks_zone import ZoneFacts, acceptable_domain, records

OURS, TAKEN = "k.example.net", ("other.ru", "ns1.provider.ru")


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize("domain", ["firm.ru", "xn--e1afmkfd.xn--p1ai", "a-b.ru", "1c.ru", "firm.test"])
def test_ks_4_3_a_domain_of_the_second_level_is_acceptable(domain: str) -> None:
    assert acceptable_domain(domain, OURS, "example.net", TAKEN) == ""


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize(
    ("domain", "why"),
    [
        ("ru", "second level"),
        ("mail.firm.ru", "second level"),
        ("example.net", "somebody else"),
        ("other.ru", "somebody else"),
        ("provider.ru", "somebody else"),
        ("", "no domain name"),
        ("firm.ru.", "no domain name"),
        (".ru", "no domain name"),
        ("Firm.ru", "no domain name"),
        ("фирма.рф", "no domain name"),
        ("-firm.ru", "no domain name"),
        ("firm-.ru", "no domain name"),
        ("fi_rm.ru", "no domain name"),
        ("fi rm.ru", "no domain name"),
        ("firm.ru\n", "no domain name"),
        ('firm.ru";}', "no domain name"),
        ("../firm.ru", "no domain name"),
        ("*.ru", "no domain name"),
        (f"{'a' * 64}.ru", "no domain name"),
        (f"{'a.' * 120}ru", "longer"),
        ("ab--c.ru", "IDNA"),
        ("xn--99999999999.ru", "IDNA"),
        ("catalog.invalid", "never delegated"),
        ("firm.local", "never delegated"),
        ("10.1", "never delegated"),
    ],
)
def test_ks_4_3_a_domain_that_is_no_second_level_or_another_s_is_not_acceptable(domain: str, why: str) -> None:
    assert why in acceptable_domain(domain, OURS, "example.net", TAKEN)


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_domain_of_64_letters_is_the_longest_that_every_server_takes() -> None:
    assert acceptable_domain(f"{'a' * 61}.ru", OURS, "example.net") == ""
    assert "longer than 64" in acceptable_domain(f"{'a' * 62}.ru", OURS, "example.net")


FACTS = ZoneFacts(
    domain="firm.ru",
    own=True,
    host="c1.example.net",
    addresses=("192.0.2.1", "2001:db8::1"),
    servers=("ns1.example.net", "ns2.example.net"),
    hostmaster="host.master@example.net",
    authorities=("letsencrypt.org",),
    dkim_key=b64encode(b"k" * 294).decode(),
    key_hashes=("ab" * 32,),
)


def values(facts: ZoneFacts, name: str, kind: str) -> list[str]:
    return [record.value for record in records(facts) if (record.name, record.kind) == (name, kind)]


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_zone_of_its_own_starts_with_our_name_servers() -> None:
    [start] = values(FACTS, "firm.ru", "SOA")
    assert start == r"ns1.example.net. host\.master.example.net. 1 3600 600 1209600 300"
    assert values(FACTS, "firm.ru", "NS") == ["ns1.example.net.", "ns2.example.net."]


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_a_name_in_our_zone_has_the_same_records_but_the_start() -> None:
    shared = FACTS.model_copy(update={"own": False})
    assert set(records(FACTS)) - set(records(shared)) == {each for each in records(FACTS) if each.kind in {"SOA", "NS"}}
    assert set(records(shared)) < set(records(FACTS))


@pytest.mark.clause("KS-3.2")
@pytest.mark.parametrize("name", ["", "xmpp.", "upload.", "conference.", "pubsub.", "proxy."])
def test_ks_3_2_every_name_of_a_service_has_all_addresses(name: str) -> None:
    assert values(FACTS, f"{name}firm.ru", "A") == ["192.0.2.1"]
    assert values(FACTS, f"{name}firm.ru", "AAAA") == ["2001:db8::1"]


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_clients_find_every_service_by_its_port_and_no_other_complex_does() -> None:
    found = {each.name.removesuffix("._tcp.firm.ru"): each.value for each in records(FACTS) if each.kind == "SRV"}
    assert found == {
        "_xmpps-client": "0 1 5223 firm.ru.",
        "_xmpp-client": "10 1 5222 firm.ru.",
        "_sips": "0 1 5061 firm.ru.",
        "_imaps": "0 1 993 c1.example.net.",
        "_imap": "10 1 143 c1.example.net.",
        "_submissions": "0 1 465 c1.example.net.",
        "_submission": "10 1 587 c1.example.net.",
    }


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_mail_of_others_in_the_domain_s_name_is_rejected() -> None:
    assert values(FACTS, "firm.ru", "MX") == ["10 c1.example.net."]
    assert values(FACTS, "firm.ru", "TXT") == ['"v=spf1 mx -all"']
    assert values(FACTS, "_dmarc.firm.ru", "TXT") == ['"v=DMARC1; p=reject; sp=reject; adkim=s; aspf=s"']


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_a_long_signing_key_is_cut_into_strings_of_255() -> None:
    [value] = values(FACTS, "mail._domainkey.firm.ru", "TXT")
    pieces = value.strip('"').split('" "')
    assert "".join(pieces) == f"v=DKIM1; k=rsa; p={FACTS.dkim_key}"
    assert [len(piece) for piece in pieces] == [255, 155]


def test_a_short_signing_key_is_ed25519_and_without_one_nothing_is_published() -> None:
    short = FACTS.model_copy(update={"dkim_key": b64encode(b"k" * 32).decode()})
    assert values(short, "mail._domainkey.firm.ru", "TXT")[0].startswith('"v=DKIM1; k=ed25519; p=')
    assert not values(FACTS.model_copy(update={"dkim_key": ""}), "mail._domainkey.firm.ru", "TXT")


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_the_certificate_s_key_is_named_for_every_port_that_shows_it() -> None:
    found = [each for each in records(FACTS) if each.kind == "TLSA"]
    assert [each.name for each in found] == [
        "_5222._tcp.firm.ru",
        "_5223._tcp.firm.ru",
        "_5061._tcp.firm.ru",
        "_5444._tcp.upload.firm.ru",
    ]
    assert {(each.ttl, each.value) for each in found} == {(300, f"3 1 1 {'ab' * 32}")}


def test_only_the_named_authorities_may_issue_and_without_one_nobody_may() -> None:
    told = '0 iodef "mailto:host.master@example.net"'
    named = ['0 issue "letsencrypt.org"', '0 issuewild "letsencrypt.org"', told]
    assert values(FACTS, "firm.ru", "CAA") == named
    nobody = FACTS.model_copy(update={"authorities": ()})
    assert values(nobody, "firm.ru", "CAA") == ['0 issue ";"', '0 issuewild ";"', told]


def test_records_are_all_different_and_at_or_below_the_domain() -> None:
    made = records(FACTS)
    assert len(set(made)) == len(made)
    assert all(each.name == "firm.ru" or each.name.endswith(".firm.ru") for each in made)
