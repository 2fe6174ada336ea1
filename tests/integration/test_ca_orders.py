"""Orders at CAs: written down once, taken in once, refused with a word of why."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.pem import facts_of
from blocks.clients.ca.protocol import Placed, Request
from blocks.errors import OutcomeUnknown, Transient
from blocks.issued import IssuedCertificates
from blocks.ledger import CaOrder, CaOrderState, Certificate, CertificateState, Site, reading, transaction
from blocks.office import Office
from tasks.ca_orders import Wanted, advance, again, open_site, order_certificate
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
        made = again(session, office.sealer, held, why="tried again", who="operator", now=late).id
        assert held.sealed_key is None
    assert advance(office, made, worker="a", now=late + timedelta(minutes=1)) is CaOrderState.ISSUED
    with reading(office.sessions) as session:
        assert session.get_one(CaOrder, order).state is CaOrderState.CANCELLED
    assert len(issued(office)) == 1
