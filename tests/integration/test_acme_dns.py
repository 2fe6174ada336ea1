"""Proofs in the DNS and CAA, against real name servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest
from pydantic import SecretStr

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.ca.caa import Caa, Issuer, Property, refuse
from blocks.clients.ca.dns01 import MOST_VALUES, AtSpots, Dns01, Proofs
from blocks.clients.ca.pem import facts_of
from blocks.clients.comms import names_outside
from blocks.clients.comms.name_server import NameServer
from blocks.errors import Refused, Transient
from blocks.terms.ks_zone import Record
from tests.acme_work import acme_ca, issued, name_below, now, request
from tests.servers.acme_dns import KEY_NAME, AcmeDns
from tests.servers.pebble import PebbleServer
from tests.servers.processes import free_port

A, B = "a" * 43, "b" * 43
PATIENCE_S = 5.0
ACCOUNT = "https://ca.example/acct/1"
US = Issuer(frozenset({"ca.example", "ca2.example"}), ACCOUNT, "dns-01")


def proofs(dns: AcmeDns, *zones: ZoneAt) -> Dns01:
    return Dns01(zones or [dns.zone()], dns.keys, [dns.server])


def values(*texts: str) -> frozenset[str]:
    return frozenset(texts)


def alias(name: str, target: str) -> Record:
    return Record(name, 10, "CNAME", f"{target}.")


def caa(name: str, value: str, tag: str = "issue", flags: int = 0) -> Record:
    return Record(name, 10, "CAA", f'{flags} {tag} "{value}"')


def test_proofs_are_shown_by_every_server_of_their_zone_and_taken_away(acme_dns: AcmeDns) -> None:
    name = name_below()
    shown = proofs(acme_dns, acme_dns.zone("example.test", acme_dns.server, acme_dns.second))
    shown.publish({name: values(A, B)}, PATIENCE_S)
    assert acme_dns.texts(f"_acme-challenge.{name}") == {A, B}
    placed = shown.publish({name: values(A, B)}, PATIENCE_S)
    shown.remove(placed)
    shown.remove(placed)
    assert acme_dns.texts(f"_acme-challenge.{name}") == set()


def test_a_server_that_does_not_show_a_proof_is_named(acme_dns: AcmeDns) -> None:
    waited: list[float] = []
    zone = acme_dns.zone("stale.test", acme_dns.server, acme_dns.second)
    stale = Dns01([zone], acme_dns.keys, [], pause=waited.append)
    with pytest.raises(Transient, match=acme_dns.second) as away:
        stale.publish({name_below("stale.test"): values(A)}, 0.3)
    assert acme_dns.server not in str(away.value)
    assert waited[:2] == [0.02, 0.03]
    proofs(acme_dns, acme_dns.zone("stale.test")).publish({name_below("stale.test"): values(A)}, 0.3)


def test_a_name_server_that_is_away_is_transient(acme_dns: AcmeDns) -> None:
    nowhere = acme_dns.zone().model_copy(update={"primary": f"127.0.0.1#{free_port()}"})
    with pytest.raises(Transient, match="does not answer"):
        proofs(acme_dns, nowhere).publish({name_below(): values(A)}, PATIENCE_S)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda dns: Dns01([dns.zone("closed.test")], dns.keys, []), "dns"),
        (lambda dns: Dns01([dns.zone("acme.test")], dns.keys, []), "dns"),
        (lambda dns: Dns01([dns.zone("acme.test")], dns.keys, [dns.server]), "dns"),
        (lambda dns: Dns01([dns.zone("closed.test")], {}, []), "tsig"),
        (lambda dns: Dns01([dns.zone("closed.test")], {KEY_NAME: SecretStr("d3Jvbmc=")}, []), "tsig"),
        (lambda dns: Dns01([dns.zone("closed.test")], {KEY_NAME: SecretStr("no base64")}, []), "tsig"),
    ],
)
def test_a_name_server_that_takes_no_proof_is_refused(
    acme_dns: AcmeDns, change: Callable[[AcmeDns], Dns01], reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        change(acme_dns).publish({"shop.closed.test": values(A)}, PATIENCE_S)
    assert refused.value.reason == reason


def test_the_nearest_zone_takes_a_proof(acme_dns: AcmeDns) -> None:
    near, far = acme_dns.zone("shop.example.test"), acme_dns.zone()
    shown = proofs(acme_dns, far, near)
    assert shown.spot("shop.example.test").zone == near
    assert shown.spot("a.shop.example.test").zone == near
    assert shown.spot("myshop.example.test").zone == far


def test_other_proofs_and_other_texts_at_a_name_stay_while_they_are_few(acme_dns: AcmeDns) -> None:
    name = name_below()
    others = {f"{place}" * 43 for place in range(MOST_VALUES - 1)}
    acme_dns.add("example.test", *(acme_dns.proof(name, text) for text in (*others, "spf")))
    proofs(acme_dns).publish({name: values(A)}, PATIENCE_S)
    assert acme_dns.texts(f"_acme-challenge.{name}") == {A, "spf", *others}
    proofs(acme_dns).publish({name: values(A, B)}, PATIENCE_S)
    assert acme_dns.texts(f"_acme-challenge.{name}") == {A, B, "spf"}


def test_proofs_are_ready_once_what_broken_runs_left_is_gone(
    acme_dns: AcmeDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, plain, waited = name_below(), NameServer.change, list[float]()
    left = [acme_dns.proof(name, f"{place}" * 43) for place in range(MOST_VALUES)]
    acme_dns.add("example.test", *left)

    def change(server: NameServer, zone: str, *, add: Iterable[Record] = (), drop: Iterable[Record] = ()) -> None:
        del drop
        plain(server, zone, add=add)

    def pause(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.undo()
        acme_dns.drop("example.test", *left)

    monkeypatch.setattr(NameServer, "change", change)
    Dns01([acme_dns.zone()], acme_dns.keys, [], pause=pause).publish({name: values(A)}, PATIENCE_S)
    assert len(waited) == 1
    assert acme_dns.texts(f"_acme-challenge.{name}") == {A}


def test_a_certificate_is_issued_where_broken_runs_left_many_proofs(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    name = name_below()
    left = [acme_dns.proof(name, f"{place:02}" + "x" * 41) for place in range(20)]
    acme_dns.add("example.test", *left)
    assert issued(acme_ca(pebble.at, acme_dns), request(name, f"*.{name}"))
    assert acme_dns.texts(f"_acme-challenge.{name}") == set()


@pytest.mark.parametrize("outside", [False, True])
def test_a_delegated_proof_is_put_where_its_name_leads(
    pebble: PebbleServer, acme_dns: AcmeDns, *, outside: bool
) -> None:
    name = name_below()
    middle, target = f"{name.split('.')[0]}.delegated.example.test", f"{name.split('.')[0]}.acme.test"
    delegations = [alias(f"_acme-challenge.{name}", middle), alias(middle, target)]
    acme_dns.add("example.test", *delegations)
    zones = [acme_dns.zone("acme.test")] if outside else [acme_dns.zone(), acme_dns.zone("acme.test")]
    ca, wanted = acme_ca(pebble.at, acme_dns, zones=zones), request(name, f"*.{name}")
    assert set(facts_of(issued(ca, wanted)).names) == {name, f"*.{name}"}
    assert acme_dns.texts(target) == set()
    proofs(acme_dns, *zones).publish({name: values(A)}, PATIENCE_S)
    assert acme_dns.texts(target) == {A}


def test_names_that_are_delegated_to_one_name_are_proven_there_together(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    names = [name_below() for _ in range(3)]
    target = name_below("acme.test")
    acme_dns.add("example.test", *(alias(f"_acme-challenge.{name}", target) for name in names))
    ca = acme_ca(pebble.at, acme_dns, zones=[acme_dns.zone(), acme_dns.zone("acme.test")])
    assert set(facts_of(issued(ca, request(*names))).names) == set(names)


def test_a_delegation_without_end_is_refused(acme_dns: AcmeDns) -> None:
    name = name_below()
    there, back = f"_acme-challenge.{name}", f"back.{name}"
    acme_dns.add("example.test", alias(there, back), alias(back, there))
    with pytest.raises(Refused, match="without end") as refused:
        proofs(acme_dns).publish({name: values(A)}, PATIENCE_S)
    assert refused.value.reason == "dns"


def test_a_proof_of_which_no_resolver_can_tell_where_it_leads_is_transient(acme_dns: AcmeDns) -> None:
    with pytest.raises(Transient, match=r"shop\.broken\.test"):
        proofs(acme_dns).publish({"shop.broken.test": values(A)}, PATIENCE_S)


def test_a_name_server_that_is_away_at_the_end_keeps_no_certificate_back(
    pebble: PebbleServer, acme_dns: AcmeDns, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(Dns01):
        def remove(self, placed: AtSpots) -> None:
            raise Transient(f"the name server is away: {[spot.name for spot in placed]}")

    name = name_below()
    ca = acme_ca(pebble.at, acme_dns, dns01=Away([acme_dns.zone()], acme_dns.keys, []))
    assert issued(ca, request(name))
    assert f"proofs of {name} stay in the DNS: the name server is away: ['_acme-challenge.{name}']" in caplog.text


def test_a_cancelled_orders_proofs_are_taken_away(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    class Slow(Dns01):
        def publish(self, proofs: Proofs, patience_s: float) -> AtSpots:
            super().publish(proofs, patience_s)
            raise Transient("a server does not show it yet")

    name = name_below()
    ca, wanted = acme_ca(pebble.at, acme_dns, dns01=Slow([acme_dns.zone()], acme_dns.keys, [])), request(name)
    url = ca.place(wanted, now=now()).url
    with pytest.raises(Transient):
        ca.advance(url, wanted, now=now())
    assert acme_dns.texts(f"_acme-challenge.{name}")
    ca.cancel(url)
    assert acme_dns.texts(f"_acme-challenge.{name}") == set()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x.test", []),
        ("x.test", [("issue", "ca.example")]),
        ("x.test", [("issue", "other.example"), ("issue", "CA2.example. ; foo=bar")]),
        ("x.test", [("iodef", "mailto:a@b.test")]),
        ("x.test", [("issuewild", ";")]),
        ("x.test", [("issue", "ca.example; validationmethods=http-01,dns-01")]),
        ("x.test", [("issue", f"ca.example; accounturi={ACCOUNT}")]),
        ("*.x.test", [("issue", "ca.example")]),
        ("*.x.test", [("issue", ";"), ("issuewild", "ca.example")]),
    ],
)
def test_caa_that_allows_us(name: str, found: list[tuple[str, str]]) -> None:
    refuse(name, "x.test", [Property(0, tag, value) for tag, value in found], US)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x.test", [(0, "issue", ";")]),
        ("x.test", [(0, "issue", "")]),
        ("x.test", [(0, "issue", "other.example")]),
        ("x.test", [(0, "issue", "xca.example")]),
        ("x.test", [(0, "issue", "ca.example; validationmethods=http-01")]),
        ("x.test", [(0, "issue", "ca.example; accounturi=https://ca.example/acct/2")]),
        ("x.test", [(0, "issue", f"ca.example; accounturi=https://ca.example/acct/2; accounturi={ACCOUNT}")]),
        ("x.test", [(0, "issue", "ca.example"), (128, "unheard", "of")]),
        ("*.x.test", [(0, "issue", "ca.example"), (0, "issuewild", ";")]),
        ("*.x.test", [(0, "issue", "other.example")]),
    ],
)
def test_caa_that_forbids_us(name: str, found: list[tuple[int, str, str]]) -> None:
    with pytest.raises(Refused, match=r"x\.test") as refused:
        refuse(name, "x.test", [Property(*each) for each in found], US)
    assert refused.value.reason == "caa"


def test_an_order_that_the_dns_forbids_is_refused_before_it_is_placed(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    parent = name_below()
    acme_dns.add("example.test", caa(parent, "other.example"), caa(f"own.{parent}", "pebble.example"))
    ca, wanted = acme_ca(pebble.at, acme_dns, caa=True), request(f"a.b.{parent}")
    with pytest.raises(Refused, match=f'at {parent} do not allow pebble.example to issue: issue "other.example"') as no:
        ca.place(wanted, now=now())
    assert no.value.reason == "caa"
    assert ca.find(wanted) is None
    assert issued(ca, request(f"a.own.{parent}", f"*.own.{parent}"))


def test_caa_is_read_through_aliases(acme_dns: AcmeDns) -> None:
    name, target = name_below(), name_below("acme.test")
    acme_dns.add("example.test", alias(name, target))
    acme_dns.add("acme.test", caa(target, ";"))
    with pytest.raises(Refused):
        Caa([acme_dns.server]).check([f"www.{name}"], US)


def test_caa_that_nobody_can_tell_is_transient(acme_dns: AcmeDns) -> None:
    with pytest.raises(Transient, match=r"shop\.broken\.test"):
        Caa([acme_dns.server]).check(["shop.broken.test"], US)


def test_caa_that_changed_is_read_again_two_seconds_later(acme_dns: AcmeDns, monkeypatch: pytest.MonkeyPatch) -> None:
    name, asked = name_below(), Caa([acme_dns.server])
    asked.check([name], US)
    acme_dns.add("example.test", caa(name, ";"))
    asked.check([name], US)
    later = time.monotonic() + 2.1
    monkeypatch.setattr("blocks.clients.ca.caa.time.monotonic", lambda: later)
    with pytest.raises(Refused):
        asked.check([name], US)


def test_a_resolver_that_is_away_is_passed_over_for_all_that_is_left_to_ask(
    acme_dns: AcmeDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_outside, "WAIT_S", 0.2)
    nowhere, name = f"127.0.0.1#{free_port()}", name_below()
    acme_dns.add("example.test", caa(name, ";"))
    with pytest.raises(Refused):
        Caa([nowhere, acme_dns.server]).check([f"{place}.example.test" for place in range(200)] + [name], US)
    with pytest.raises(Transient):
        Caa([nowhere]).check([name], US)
    Caa([]).check([name], US)
