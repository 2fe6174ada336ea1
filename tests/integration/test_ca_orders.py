"""Orders at CAs: written down once, taken in once, refused with a word of why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

import pytest
from pydantic import HttpUrl
from sqlalchemy import func, select

from blocks.clients.ca.addresses import AuthorityAt, CertificatesAt
from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.pem import facts_of
from blocks.clients.ca.protocol import Placed, Request
from blocks.errors import OutcomeUnknown, Refused, Transient
from blocks.issued import IssuedCertificates
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateState,
    Notice,
    Sessions,
    Site,
    reading,
    transaction,
)
from blocks.office import Office
from tasks import ssl_orders
from tasks.ca_advance import advance
from tasks.ca_leftovers import cancel_leftovers
from tasks.ca_orders import Wanted, again, due_orders, open_site, order_certificate
from tasks.sites import retire_site
from tests.work import NOW

NAMES = ("shop.example.com", "*.shop.example.com")
FIRST = Wanted(purpose="first", give_up_at=NOW + timedelta(days=2))


def ordered(office: Office) -> int:
    with transaction(office.sessions) as session:
        site = open_site(
            session, slug=NAMES[0], agreement="KS", names=NAMES, authority="local", consumers=("complex",), now=NOW
        )
        return order_certificate(session, office.sealer, site, FIRST, now=NOW).id


def issued(office: Office) -> list[Certificate]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Certificate)))


def test_a_site_has_one_open_order_whoever_asks_again(office: Office) -> None:
    assert ordered(office) == ordered(office)
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).select_from(CaOrder)) == 1


def test_an_order_is_advanced_to_one_certificate_for_its_key_and_names(office: Office) -> None:
    order = ordered(office)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.ISSUED
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.ISSUED
    [certificate] = issued(office)
    assert set(facts_of(certificate.chain).names) == set(NAMES)
    assert certificate.not_after == NOW + timedelta(days=90)


def test_the_key_of_what_is_in_service_is_opened_for_its_servers(office: Office) -> None:
    advance(office, ordered(office), worker="a", now=NOW)
    with transaction(office.sessions) as session:
        [certificate] = session.scalars(select(Certificate))
        certificate.state = CertificateState.IN_SERVICE
        chain = certificate.chain
    bundle = IssuedCertificates(office.sessions, office.sealer, lambda: NOW).of(NAMES[0])
    assert bundle.chain == chain
    assert "PRIVATE KEY" in bundle.key


def test_an_order_that_another_worker_holds_is_left_alone(office: Office) -> None:
    order = ordered(office)
    with transaction(office.sessions) as session:
        row = session.get_one(CaOrder, order)
        row.lease_owner, row.lease_until = "b", NOW + timedelta(minutes=10)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.INTENDED
    assert advance(office, order, worker="a", now=NOW + timedelta(minutes=11)) is CaOrderState.ISSUED


class Losing(LocalCa):
    """Its answer to the first order gets lost, and it is away when it is first looked for."""

    def __init__(self, office: Office) -> None:
        super().__init__("local", office.authority, office.authority.root, 90)
        self.asked: list[str] = []

    def place(self, request: Request, *, now: datetime) -> Placed:
        placed = LocalCa("local", self._authority, self._orders.parent, 90).place(request, now=now)
        self.asked.append("place")
        if self.asked == ["place"]:
            raise OutcomeUnknown("the connection broke")
        return placed

    def find(self, request: Request) -> Placed | None:
        self.asked.append("find")
        if self.asked.count("find") == 1 and "place" in self.asked:
            raise Transient("away")
        return super().find(request)


def test_an_order_is_looked_for_until_it_is_known_whether_it_was_placed(office: Office) -> None:
    ca = office._authorities["local"] = Losing(office)  # noqa: SLF001 - in place of the one that it would open
    order = ordered(office)
    for minutes in range(3):
        advance(office, order, worker="a", now=NOW + timedelta(minutes=minutes))
    assert ca.asked == ["place", "find", "find"]
    assert len(issued(office)) == 1


def test_an_order_beyond_its_time_waits_for_a_person(office: Office) -> None:
    order = ordered(office)
    assert advance(office, order, worker="a", now=NOW + timedelta(days=2, seconds=1)) is CaOrderState.HELD
    with reading(office.sessions) as session:
        row = session.get_one(CaOrder, order)
        assert (row.reason, row.open_key) == ("late", session.scalar(select(Site.id)))


def test_a_held_order_that_a_person_tries_again_has_its_time_anew(office: Office) -> None:
    order, late = ordered(office), NOW + timedelta(days=3)
    advance(office, order, worker="a", now=late)
    with transaction(office.sessions) as session:
        held = session.get_one(CaOrder, order)
        again(session, office.sealer, held, why="tried again", who="operator", now=late)
        assert held.give_up_at == late + timedelta(days=2)
    assert advance(office, order, worker="a", now=late + timedelta(minutes=1)) is CaOrderState.ISSUED
    assert len(issued(office)) == 1


def test_an_order_that_is_spent_is_followed_by_another_with_a_key_of_its_own(office: Office) -> None:
    def failed() -> None:
        raise Refused("csr", "this key is known to everybody")

    order = ordered(office)
    InterruptingAdvance(office, failed)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.HELD
    with transaction(office.sessions) as session:
        held = session.get_one(CaOrder, order)
        made = again(session, office.sealer, held, why="tried again", who="operator", now=NOW)
        assert (held.state, held.sealed_key) == (CaOrderState.CANCELLED, None)
        assert made.csr != held.csr
        made_id = made.id
    assert advance(office, made_id, worker="a", now=NOW + timedelta(minutes=1)) is CaOrderState.ISSUED
    assert len(issued(office)) == 1


class Interrupting(LocalCa):
    """A CA beside whose first answer something happens: `then` is called once the order is placed there."""

    def __init__(self, office: Office, then: Callable[[], None]) -> None:
        super().__init__("local", office.authority, office.authority.root, 90)
        self.then: Callable[[], None] | None = then
        self.cancelled: list[str] = []
        self.asked: list[str] = []
        vars(office)["_authorities"] = {"local": self}

    def place(self, request: Request, *, now: datetime) -> Placed:
        placed = LocalCa("local", self._authority, self._orders.parent, 90).place(request, now=now)
        self.asked.append("place")
        self._now()
        return placed

    def find(self, request: Request) -> Placed | None:
        self.asked.append("find")
        return super().find(request)

    def cancel(self, url: str) -> None:
        self.cancelled.append(url)
        super().cancel(url)

    def _now(self) -> None:
        then, self.then = self.then, None
        if then is not None:
            then()


class InterruptingAdvance(Interrupting):
    """The same, when the order is about to issue."""

    def _now(self) -> None:
        """Nothing yet."""

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        super()._now()
        return super().advance(url, request, now=now)


def retire(office: Office) -> None:
    with transaction(office.sessions) as session:
        retire_site(session, session.scalars(select(Site)).one(), "the complex was deleted", now=NOW)


def test_an_order_that_ends_while_it_is_placed_is_ended_at_its_ca_too_and_stays_ended(office: Office) -> None:
    order = ordered(office)
    ca = Interrupting(office, lambda: retire(office))
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.CANCELLED
    assert len(ca.cancelled) == 1
    assert due_orders(office.sessions, now=NOW + timedelta(days=1)) == []
    assert issued(office) == []


def held(office: Office) -> None:
    with transaction(office.sessions) as session:
        session.scalars(select(CaOrder)).one().state = CaOrderState.HELD


def test_an_order_that_is_held_while_it_is_placed_waits_at_its_ca_for_a_person(office: Office) -> None:
    order = ordered(office)
    ca = Interrupting(office, lambda: held(office))
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.HELD
    assert ca.cancelled == []
    with transaction(office.sessions) as session:
        row = session.get_one(CaOrder, order)
        assert row.url is not None
        again(session, office.sealer, row, why="go on", who="О. Петрова", now=NOW)
    assert advance(office, order, worker="b", now=NOW) is CaOrderState.ISSUED
    assert ca.asked == ["place"], "nothing is placed twice"


def test_an_order_that_ended_while_it_was_placed_ends_at_its_ca_even_if_that_is_away_first(office: Office) -> None:
    order = ordered(office)
    ca = Interrupting(office, lambda: retire(office))
    cancel, answers = ca.cancel, [Transient("away"), Transient("away")]

    def away(url: str) -> None:
        if answers:
            raise answers.pop()
        cancel(url)

    vars(ca)["cancel"] = away
    advance(office, order, worker="a", now=NOW)
    assert cancel_leftovers(office, now=NOW) == []
    assert len(cancel_leftovers(office, now=NOW)) == 1
    assert len(ca.cancelled) == 1
    assert cancel_leftovers(office, now=NOW) == []


def test_what_is_left_at_a_ca_waits_for_an_order_of_the_same_names(office: Office) -> None:
    order = ordered(office)
    ca = Interrupting(office, lambda: retire(office))
    vars(ca)["cancel"] = lambda _: (_ for _ in ()).throw(Transient("away"))
    advance(office, order, worker="a", now=NOW)
    del vars(ca)["cancel"]
    again_ordered = ordered(office)
    assert cancel_leftovers(office, now=NOW) == []
    advance(office, again_ordered, worker="a", now=NOW)
    assert len(cancel_leftovers(office, now=NOW)) == 1


def test_what_is_issued_for_an_order_that_ended_meanwhile_goes_nowhere(office: Office) -> None:
    order = ordered(office)
    InterruptingAdvance(office, lambda: retire(office))
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.CANCELLED
    assert issued(office) == []


def test_a_slow_worker_takes_nothing_back_from_the_one_that_took_its_order_over(office: Office) -> None:
    order, later = ordered(office), NOW + timedelta(minutes=11)

    def overtaken() -> None:
        assert advance(office, order, worker="b", now=later) is CaOrderState.ISSUED
        raise Refused("challenge", "what the slow one saw long ago")

    InterruptingAdvance(office, overtaken)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.ISSUED
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).select_from(CaOrder)) == 1
    assert len(issued(office)) == 1


def test_a_slow_worker_does_not_hold_what_another_is_at(office: Office) -> None:
    order = ordered(office)

    def taken_over() -> None:
        with transaction(office.sessions) as session:
            session.get_one(CaOrder, order).lease_owner = "b"
        raise Refused("account", "what the slow one saw long ago")

    InterruptingAdvance(office, taken_over)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.PLACED


def test_who_is_broken_off_while_placing_leaves_an_order_that_is_looked_for(office: Office) -> None:
    def broken_off() -> None:
        raise KeyboardInterrupt

    order = ordered(office)
    ca = Interrupting(office, broken_off)
    with pytest.raises(KeyboardInterrupt):
        advance(office, order, worker="a", now=NOW)
    assert advance(office, order, worker="b", now=NOW + timedelta(minutes=11)) is CaOrderState.ISSUED
    assert ca.asked == ["place", "find"]


def test_an_address_that_could_not_be_written_down_is_looked_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ordered(office)

    def gone() -> None:
        def away(_: Sessions) -> NoReturn:
            monkeypatch.undo()
            raise Transient("the ledger was away for a moment")

        monkeypatch.setattr("tasks.ca_advance.transaction", away)

    ca = Interrupting(office, gone)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.INTENDED
    assert advance(office, order, worker="a", now=NOW + timedelta(minutes=1)) is CaOrderState.ISSUED
    assert ca.asked == ["place", "find"]


def test_what_was_issued_while_nobody_looked_is_taken_in_though_its_time_is_over(office: Office) -> None:
    def busy() -> None:
        raise Transient("busy")

    order = ordered(office)
    InterruptingAdvance(office, busy)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.PLACED
    assert advance(office, order, worker="a", now=NOW + timedelta(days=3)) is CaOrderState.ISSUED
    assert len(issued(office)) == 1


def test_a_placed_order_whose_ca_is_away_beyond_its_time_waits_for_a_person(office: Office) -> None:
    def busy() -> None:
        ca.then = busy
        raise Transient("busy")

    order = ordered(office)
    ca = InterruptingAdvance(office, busy)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.PLACED
    assert advance(office, order, worker="a", now=NOW + timedelta(days=3)) is CaOrderState.HELD


@pytest.mark.parametrize("reason", ["tsig", "dns", "account", "secret", "late"])
def test_an_order_that_its_ca_still_knows_goes_on_and_is_not_placed_again(office: Office, reason: str) -> None:
    def refused() -> None:
        ca.then = refused
        raise Refused(reason, "not now")

    order, at = ordered(office), NOW
    ca = InterruptingAdvance(office, refused)
    while advance(office, order, worker="a", now=at) is CaOrderState.PLACED:
        at += timedelta(hours=1)
    with transaction(office.sessions) as session:
        held = session.get_one(CaOrder, order)
        assert held.state is CaOrderState.HELD
        assert again(session, office.sealer, held, why="mended", who="operator", now=at).id == order
    ca.then = None
    assert advance(office, order, worker="a", now=at + timedelta(hours=1)) is CaOrderState.ISSUED
    assert ca.asked == ["place"]
    assert len(issued(office)) == 1


def test_an_order_that_is_held_a_second_time_is_told_a_second_time(office: Office) -> None:
    order = ordered(office)
    late = NOW + timedelta(days=3)
    advance(office, order, worker="a", now=late)
    with transaction(office.sessions) as session:
        again(session, office.sealer, session.get_one(CaOrder, order), why="wait", who="operator", now=late)
    assert advance(office, order, worker="a", now=late + timedelta(days=9)) is CaOrderState.HELD
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).where(Notice.kind == "ca_order_held")) == 2


def test_an_order_whose_site_goes_to_another_ca_is_placed_there(office: Office) -> None:
    order, late = ordered(office), NOW + timedelta(days=3)
    advance(office, order, worker="a", now=late)
    with transaction(office.sessions) as session:
        session.scalars(select(Site)).one().authority = "another"
        held = session.get_one(CaOrder, order)
        made = again(session, office.sealer, held, why="another CA", who="operator", now=late)
        assert (made.id == order, made.authority) == (False, "another")


def test_an_order_at_a_ca_that_the_file_names_no_longer_waits_for_a_person(office: Office) -> None:
    order = ordered(office)
    with transaction(office.sessions) as session:
        session.get_one(CaOrder, order).authority = "former"
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.HELD


class Talkative(LocalCa):
    """It says more than a chain."""

    def collect(self, url: str) -> str:
        return f"<script>subject</script>\n{super().collect(url)}\n-----BEGIN NOTE-----\nAAAA\n-----END NOTE-----\n"


def test_of_what_a_ca_gives_the_certificates_alone_are_kept(office: Office) -> None:
    root = office.authority.root
    vars(office)["_authorities"] = {"local": Talkative("local", office.authority, root, 90)}
    advance(office, ordered(office), worker="a", now=NOW)
    [certificate] = issued(office)
    lines = certificate.chain.splitlines()
    assert [line for line in lines if "---" in line] == [
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
    ] * 2
    assert "script" not in certificate.chain


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (AuthorityAt(name="ca", kind="local"), "sandbox"),
        (AuthorityAt(name="ca", kind="gogetssl", url=HttpUrl("http://127.0.0.1:8090/api")), "https"),
        (AuthorityAt(name="ca", kind="acme", url=HttpUrl("http://ca.example.net/directory")), "https"),
    ],
)
def test_production_asks_no_ca_that_is_a_sandbox_or_without_tls(office: Office, at: AuthorityAt, reason: str) -> None:
    production = office.settings.model_copy(update={"environment": "production"})
    strict = Office(production, office.engine, office.sessions)
    vars(strict)["certificates_at"] = CertificatesAt(authority=(at,))
    with pytest.raises(Refused) as refused:
        strict.ca("ca")
    assert refused.value.reason == reason


def follow_too(office: Office) -> None:
    assert ssl_orders.follow(office, now=NOW) == 1


def test_two_that_follow_sold_certificates_at_once_place_an_order_once(office: Office) -> None:
    order = ordered(office)
    with transaction(office.sessions) as session:
        session.scalars(select(Site)).one().agreement = "SSL"
    ca = Interrupting(office, lambda: follow_too(office))
    assert ssl_orders.follow(office, now=NOW) == 1
    assert ca.asked == ["place"]
    with reading(office.sessions) as session:
        assert session.get_one(CaOrder, order).state is CaOrderState.ISSUED
