"""Orders of complexes: active when every contact was proven, held when one never is, and servers that misbehave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from blocks.clients.ca.addresses import SiteAt
from blocks.clients.comms.addresses import Complexes
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Transient
from blocks.ledger import AccountProof, Order, SealedAccounts, Step, reading, transaction
from blocks.office import Fleet, Office
from blocks.terms.ks_complex import Proof, ProofKind, Want, wanted
from blocks.terms.views import StoryLine
from flows.fulfilment import advance
from reports.proofs import proof_rows, proof_summary
from tasks.access_data import GENERATED, PREPARED, PROVISIONED, VERIFIED
from tasks.ca_orders import open_site
from tasks.complexes import take_up_diverging
from tasks.proving import BEFORE_THE_LAST, verify_accounts
from tasks.reveal import reveal
from tasks.stories import proofs_of
from tests.complexes import Servers, complex_at, given
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    decide,
    drain,
    kinds,
    ks,
    open_obligations,
    ordered,
    page_token,
    put_receipt,
    service_of,
    state,
    story,
)

PRICES = {2: "13989.00", 6: "29989.00", 50: "199990.00"}
C002_IMAP = Want("c002", ProofKind.IMAP)


def paid(office: Office, contacts: int = 2, name: str = "A-1", **wishes: object) -> str:
    """A company's order, its money there, worked off as far as it goes."""
    number = ordered(office, name, {**ks(contacts), **wishes}, COMPANY)
    put_receipt(office, number, PRICES[contacts], f"B-{name}", NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return number


def sealed(office: Office) -> int:
    with reading(office.sessions) as session:
        return len(session.scalars(select(SealedAccounts)).all())


def proofs(office: Office, *, ok: bool) -> Counter[Want]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(AccountProof).where(AccountProof.ok.is_(ok)))
        return Counter(Want(row.contact, ProofKind(row.kind)) for row in rows)


@pytest.mark.clause("KS-2.1", "KS-2.3", "KS-2.4", "KS-2.5", "KS-2.6")
def test_ks_2_1_a_complex_is_active_when_every_contact_was_proven_in_every_protocol(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office, 6)
    every = wanted([f"c00{n}" for n in range(1, 7)])
    assert servers.calls == ["publish_names", "prepare", "provision", "verify"]
    assert servers.asked == [every]
    assert proofs(office, ok=True) == Counter(every)
    assert service_of(office, number).state.value == "active"
    assert service_of(office, number).served_state == "active"
    assert sealed(office) == 0, "the keys are gone with the last proof"
    assert story(office, number).proofs == len(every)
    assert any(line.why == f"{len(every)} proofs of 6 contacts and the whole complex" for line in told(office, number))


def told(office: Office, number: str) -> tuple[StoryLine, ...]:
    return story(office, number).lines


def test_a_contact_that_fails_twice_and_then_works_is_proven_after_its_accounts_were_written_again(
    office: Office,
) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 2
    given(office, servers)
    number = paid(office)
    assert state(office, number) == "inProgress"
    assert service_of(office, number).state.value == "reserved", "not active before the last proof"
    assert sealed(office) == 1
    for minute in (2, 3):
        drain(office, NOW + minute * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert servers.asked[1:] == [[C002_IMAP], [C002_IMAP]], "what is proven is not asked for again"
    assert servers.calls == ["publish_names", *["prepare", "provision", "verify"] * 3]
    assert proofs(office, ok=False) == {C002_IMAP: 2}
    assert set(proofs(office, ok=True).values()) == {1}


def test_a_contact_that_never_works_holds_its_order_with_contact_and_protocol_named(office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 3
    given(office, servers)
    number = paid(office)
    drain(office, NOW + 2 * MINUTE)
    assert state(office, number) == "inProgress", "the second of three attempts"
    drain(office, NOW + 3 * MINUTE)
    assert state(office, number) == "held:not_proven"
    assert any("verify_accounts: c002 imap: refused" in line.why for line in told(office, number))
    assert "order_held" in kinds(office)
    assert service_of(office, number).state.value == "reserved"
    servers.failing[C002_IMAP] = 2
    decide(office, number, "resume", NOW + 4 * MINUTE)
    assert state(office, number) == "inProgress", "the attempts are counted from the resumption"
    assert len(servers.asked[-1]) == len(wanted(["c001", "c002"])), "a person waited: everything is proven anew"
    for minute in (5, 6):
        drain(office, NOW + minute * MINUTE)
    assert service_of(office, number).state.value == "active"


@pytest.mark.parametrize("kind", [ProofKind.TLS, ProofKind.DNS])
def test_a_fault_of_the_whole_complex_holds_the_order_too(sqlite_office: Office, kind: ProofKind) -> None:
    servers = Servers()
    servers.failing[Want("", kind)] = 9
    given(sqlite_office, servers)
    number = paid(sqlite_office)
    for minute in (2, 3, 4):
        drain(sqlite_office, NOW + minute * MINUTE)
    assert state(sqlite_office, number) == "held:not_proven"
    assert any(f"the complex {kind.value}: refused" in line.why for line in told(sqlite_office, number))


def test_servers_that_are_down_hold_no_order_and_count_no_attempt(office: Office) -> None:
    servers = Servers()
    servers.down = 5
    given(office, servers)
    number = paid(office)
    for minute in range(2, 6):
        assert state(office, number) == "inProgress"
        drain(office, NOW + minute * MINUTE)
    assert service_of(office, number).state.value == "reserved"
    drain(office, NOW + 6 * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert proofs(office, ok=False) == {}


def test_servers_that_lost_what_they_took_get_it_again_before_they_are_asked_again(office: Office) -> None:
    class Forgetful(Servers):
        def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
            if not self.asked:
                self.accounts[domain].pop("c002")
            return super().verify(domain, accounts, wants)

    given(office, Forgetful())
    number = paid(office)
    assert proofs(office, ok=False) != {}
    drain(office, NOW + 2 * MINUTE)
    assert service_of(office, number).state.value == "active"


def test_a_proof_that_a_complex_does_not_give_is_not_taken_for_granted(sqlite_office: Office) -> None:
    class Silent(Servers):
        def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
            return [proof for proof in super().verify(domain, accounts, wants) if proof.kind is not ProofKind.SIP]

    given(sqlite_office, Silent())
    number = paid(sqlite_office)
    for minute in (2, 3, 4):
        drain(sqlite_office, NOW + minute * MINUTE)
    assert state(sqlite_office, number) == "held:not_proven"
    assert any("c001 sip: the complex gave no proof" in line.why for line in told(sqlite_office, number))


def test_accounts_made_before_they_could_be_proven_hold_the_order_and_are_made_anew_when_it_is_resumed(
    office: Office,
) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 1
    given(office, servers)
    number = paid(office)
    with transaction(office.sessions) as session:
        session.execute(delete(SealedAccounts))
        order = session.scalars(select(Order)).one()
        session.execute(delete(Step).where(Step.order_id == order.id, Step.key == PREPARED))
    drain(office, NOW + 2 * MINUTE)
    assert state(office, number) == "held:no_keys"
    before = dict(servers.accounts[service_of(office, number).name])
    assert "resumed" in decide(office, number, "resume", NOW + 3 * MINUTE)
    assert service_of(office, number).state.value == "active"
    after = servers.accounts[service_of(office, number).name]
    assert all(before[name].scram_client != after[name].scram_client for name in before)
    assert reveal(office, page_token(office, number), now=NOW + 4 * MINUTE) is not None


def test_an_order_cancelled_on_its_way_leaves_nothing_on_the_servers_and_no_keys(office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 9
    given(office, servers)
    number = paid(office)
    for minute in (2, 3):
        drain(office, NOW + minute * MINUTE)
    servers.down = 1
    decide(office, number, "cancel", NOW + 4 * MINUTE)
    assert state(office, number) == "cancelled"
    assert sealed(office) == 0
    assert servers.accounts != {}
    drain(office, NOW + 5 * MINUTE)
    assert (servers.accounts, servers.prepared) == ({}, set())
    assert service_of(office, number).served_state == "deleted"
    with reading(office.sessions) as session:
        assert not {GENERATED, PREPARED, PROVISIONED, VERIFIED} & set(session.scalars(select(Step.key)))


def test_a_cancelled_order_that_comes_back_gets_new_access_data_and_is_proven_anew(office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 9
    given(office, servers)
    number = paid(office)
    for minute in (2, 3):
        drain(office, NOW + minute * MINUTE)
    decide(office, number, "cancel", NOW + 4 * MINUTE)
    decide(office, number, "settle surplus", NOW + 5 * MINUTE)
    servers.failing.clear()
    put_receipt(office, number, PRICES[2], "B-2", NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, number) == "held:payment_after_cancellation"
    decide(office, number, "resume", NOW + DAY + MINUTE)
    assert service_of(office, number).state.value == "active"
    assert len(servers.asked[-1]) == len(wanted(["c001", "c002"]))
    assert reveal(office, page_token(office, number), now=NOW + DAY + 2 * MINUTE) is not None


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_an_order_without_its_dedicated_complex_waits_for_a_person_to_provide_one(office: Office) -> None:
    servers = Servers()
    fleet = given(office, servers)
    fleet.provided = False
    number = paid(office, 50, domain="romashka-office.ru")
    assert state(office, number) == "held:dedicated_server"
    fleet.provided = True
    decide(office, number, "resume", NOW + 2 * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert "KS-4.3 provide the dedicated server, the second-level domain and its DNS" in open_obligations(office)


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_an_own_domain_proven_in_the_dns_on_a_complex_of_its_own_fulfils_the_obligation(office: Office) -> None:
    servers = Servers()
    given(office, servers, complex_at())
    number = paid(office, 50, domain="Romashka-Office.RU")
    assert service_of(office, number).name == "romashka-office.ru"
    [line] = [owed for owed in story(office, number).owed if owed.clause == "KS-4.3"]
    assert (line.state, line.evidence) == ("fulfilled", "complex own; romashka-office.ru in the DNS: logged in")


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_without_a_domain_of_its_own_the_obligation_stays_with_a_person(sqlite_office: Office) -> None:
    given(sqlite_office, Servers(), complex_at())
    number = paid(sqlite_office, 50)
    assert service_of(sqlite_office, number).name.endswith(".example.net")
    assert any(owed.startswith("KS-4.3") for owed in open_obligations(sqlite_office))


@pytest.mark.clause("KS-3.5")
def test_ks_3_5_lifted_limits_want_a_complex_that_is_configured_so(office: Office) -> None:
    servers = Servers()
    fleet = given(office, servers, complex_at())
    number = paid(office, 50, mail_mb=25, call_seconds=0)
    assert state(office, number) == "held:limits"
    assert any("mail_bytes = 10485760, the order wants 26214400" in line.why for line in told(office, number))
    assert servers.calls == []
    fleet.dedicated = complex_at(mail_bytes=25 * 2**20, call_seconds=0)
    decide(office, number, "resume", NOW + 2 * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert story(office, number).limits == "mail up to 25 MB, calls of any length"


@pytest.mark.clause("KS-3.5")
@pytest.mark.parametrize(
    ("contacts", "wish", "held"),
    [
        (20, {"mail_mb": 11}, True),
        (20, {"mail_mb": 10}, False),
        (20, {"call_seconds": 3601}, True),
        (20, {"call_seconds": 0}, True),
        (20, {"call_seconds": 3600}, False),
        (50, {"mail_mb": 100, "call_seconds": 0}, False),
        (20, {"domain": "romashka-office.ru"}, True),
        (50, {"domain": "mail.romashka-office.ru"}, True),
        (50, {"domain": "example.net"}, True),
        (50, {"domain": "romashka-office.ru"}, False),
    ],
)
def test_ks_3_5_a_wish_that_the_package_does_not_carry_is_held_for_a_person(
    sqlite_office: Office, contacts: int, wish: dict[str, object], *, held: bool
) -> None:
    number = ordered(sqlite_office, "A-1", {**ks(contacts), **wish}, COMPANY)
    assert state(sqlite_office, number) == ("held:wish" if held else "pending")
    assert ("held_wish" in kinds(sqlite_office, number)) is held
    if held:
        assert decide(sqlite_office, number, "resume", NOW + MINUTE).startswith("refused")


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_domain_has_one_complex_until_its_order_is_cancelled(office: Office) -> None:
    servers = Servers()
    given(office, servers, complex_at())
    first = ordered(office, "A-1", {**ks(50), "domain": "romashka-office.ru"}, COMPANY)
    second = ordered(office, "A-2", {**ks(50), "domain": "romashka-office.ru"}, {**COMPANY, "email": "b@example.test"})
    servers.failing[C002_IMAP] = 9
    for number in (first, second):
        put_receipt(office, number, PRICES[50], f"B-{number}", NOW + MINUTE)
        drain(office, NOW + MINUTE)
    assert state(office, second) == "held:wish"
    assert decide(office, second, "resume", NOW + 2 * MINUTE).startswith("refused")
    drain(office, NOW + 3 * MINUTE)
    assert state(office, first) == "held:not_proven"
    decide(office, first, "cancel", NOW + 4 * MINUTE)
    servers.failing.clear()
    decide(office, second, "resume", NOW + 5 * MINUTE)
    assert (service_of(office, second).name, service_of(office, second).state.value) == ("romashka-office.ru", "active")


def test_the_proofs_are_shown_with_a_row_for_each_contact(sqlite_office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 1
    given(sqlite_office, servers)
    number = paid(sqlite_office)
    seen = proofs_of(sqlite_office.sessions, number)
    rows = {row["contact"]: row for row in proof_rows(seen)}
    assert list(rows) == ["c001", "c002", "the complex"]
    assert rows["c002"]["imap"] == "NO: refused"
    assert proof_summary(seen).endswith("1 failed attempts")
    drain(sqlite_office, NOW + 2 * MINUTE)
    seen = proofs_of(sqlite_office.sessions, number)
    rows = {row["contact"]: row for row in proof_rows(seen)}
    assert (rows["c002"]["imap"], rows["c002"]["agreed on"]) == ("yes", "TLSv1.3, TLS_AES_256_GCM_SHA384")
    assert rows["c002"]["sip-call"] == "", "only the first contact calls"
    assert rows["the complex"]["dns"].startswith("yes")
    assert proof_summary(seen) == "16 of 16 proven, 1 failed attempts"


def test_no_key_of_a_contact_stands_in_the_ledger_in_clear(sqlite_office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 9
    given(sqlite_office, servers)
    paid(sqlite_office)
    for minute in (2, 3):
        drain(sqlite_office, NOW + minute * MINUTE)
    kept = b"".join(path.read_bytes() for path in sqlite_office.settings.home.rglob("*") if path.is_file())
    for account in next(iter(servers.accounts.values())).values():
        assert not any(secret.encode() in kept for secret in (account.scram_client, account.ha1, account.scram_salt))


def test_an_order_that_nothing_could_serve_leaves_no_servers_to_be_cleared_when_it_is_cancelled(office: Office) -> None:
    servers = Servers()
    fleet = given(office, servers)
    fleet.provided = False
    number = paid(office, 50, domain="romashka-office.ru")
    assert state(office, number) == "held:dedicated_server"
    assert service_of(office, number).served_state is None
    assert decide(office, number, "cancel", NOW + 2 * MINUTE).endswith("cancelled")
    assert take_up_diverging(office, now=NOW + DAY) == []
    other = ordered(office, "A-2", {**ks(50), "domain": "romashka-office.ru"}, {**COMPANY, "email": "b@example.test"})
    assert state(office, other) == "pending", "the domain is free again"


class CameBack(Servers):
    """While it verifies, the order is cancelled and comes back: other accounts will be made."""

    def __init__(self, office: Office) -> None:
        super().__init__()
        self.office = office

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        seen = super().verify(domain, accounts, wants)
        if len(self.asked) == 1:
            with transaction(self.office.sessions) as session:
                session.execute(delete(SealedAccounts))
                session.execute(delete(Step).where(Step.key.in_([GENERATED, PREPARED, PROVISIONED, VERIFIED])))
        return seen


def test_what_was_seen_of_former_accounts_proves_nothing_of_those_made_meanwhile(office: Office) -> None:
    servers = CameBack(office)
    given(office, servers)
    number = paid(office)
    assert service_of(office, number).state.value == "active"
    every = wanted(["c001", "c002"])
    assert servers.asked == [every, every], "the new accounts were logged in to as well"
    assert sum(proofs(office, ok=True).values()) == len(every)


def test_proofs_of_former_accounts_do_not_count_though_the_clock_went_back(office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 1
    given(office, servers)
    number = paid(office)
    with transaction(office.sessions) as session:
        session.execute(delete(SealedAccounts))
        session.execute(delete(Step).where(Step.key.in_([GENERATED, PREPARED, PROVISIONED, VERIFIED])))
    drain_again(office, number)
    every = wanted(["c001", "c002"])
    assert servers.asked == [every, every]


def drain_again(office: Office, number: str) -> None:
    """Another worker, whose clock is a moment behind."""
    advance(office, number, now=NOW + MINUTE - timedelta(seconds=3))


def test_the_last_attempt_waits_until_resolvers_have_forgotten(sqlite_office: Office) -> None:
    servers = Servers()
    servers.failing[C002_IMAP] = 2
    given(sqlite_office, servers)
    number = paid(sqlite_office)
    with pytest.raises(Transient) as last:
        verify_accounts(sqlite_office, number, now=NOW + 2 * MINUTE)
    assert last.value.retry_after == BEFORE_THE_LAST


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_domain_whose_former_complex_is_not_cleared_yet_is_nobodys_to_take(office: Office) -> None:
    servers = Servers()
    given(office, servers, complex_at())
    servers.failing[C002_IMAP] = 9
    first = paid(office, 50, domain="romashka-office.ru")
    for minute in (2, 3):
        drain(office, NOW + minute * MINUTE)
    assert state(office, first) == "held:not_proven"
    servers.down = 99
    decide(office, first, "cancel", NOW + 4 * MINUTE)
    second = ordered(office, "A-2", {**ks(50), "domain": "romashka-office.ru"}, {**COMPANY, "email": "b@example.test"})
    assert state(office, second) == "held:wish"
    servers.down = 0
    drain(office, NOW + DAY)
    decide(office, second, "resume", NOW + DAY + MINUTE)
    put_receipt(office, second, PRICES[50], "B-2", NOW + DAY + 2 * MINUTE)
    servers.failing.clear()
    drain(office, NOW + DAY + 2 * MINUTE)
    assert (service_of(office, second).name, service_of(office, second).state.value) == ("romashka-office.ru", "active")


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_the_domains_of_our_own_servers_are_nobodys_to_bring(
    sqlite_office: Office,
) -> None:
    """A zone of that name on our name servers would take our own names from us."""
    at = complex_at(host="c1.provider.test").model_dump(mode="json", exclude_none=True)
    names: dict[str, object] = {
        "primary": "192.0.2.53",
        "rndc_key": "/nowhere",
        "zones": "/nowhere",
        "own_zone": "example.net",
    }
    names |= {"servers": ["ns1.names.test"], "hostmaster": "h@example.net", "resolvers": ["192.0.2.1"]}
    read = Complexes.model_validate({"complex": [at], "dns": names})
    fleet = Fleet(sqlite_office)
    vars(fleet)["_file"] = read
    vars(sqlite_office)["complexes"] = fleet
    for domain, held in (("provider.test", True), ("names.test", True), ("romashka-office.ru", False)):
        number = ordered(sqlite_office, domain, {**ks(50), "domain": domain}, COMPANY)
        assert state(sqlite_office, number) == ("held:wish" if held else "pending"), domain


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_the_names_of_our_own_certificates_are_nobodys_to_bring(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its order would take our site's place, and its complex our certificate with the key."""
    ours = SiteAt(slug="portal", names=("www.by-file.test",), authority="local", consumers=("c",))
    at = sqlite_office.certificates_at.model_copy(update={"site": (ours,)})
    monkeypatch.setitem(vars(sqlite_office), "certificates_at", at)
    with transaction(sqlite_office.sessions) as session:
        names = ("by-hand.test", "*.by-hand.test")
        open_site(session, slug="hand", agreement="KS", names=names, authority="local", consumers=(), now=NOW)
    for domain, held in (("by-file.test", True), ("by-hand.test", True), ("romashka-office.ru", False)):
        number = ordered(sqlite_office, domain, {**ks(50), "domain": domain}, COMPANY)
        assert state(sqlite_office, number) == ("held:wish" if held else "pending"), domain
