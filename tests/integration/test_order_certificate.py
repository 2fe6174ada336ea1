"""The certificate of a customer's domain on the way of its order: issued, waited for, refused, tried again, let go."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.pem import facts_of
from blocks.clients.ca.protocol import OrderState, Placed, Request
from blocks.errors import Refused, Transient, Waiting
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateState,
    Notice,
    Order,
    Site,
    Step,
    reading,
    transaction,
)
from blocks.office import Office
from tasks.access_data import PREPARED
from tasks.ca_advance import advance
from tasks.ca_following import follow
from tasks.ca_orders import due_orders, open_site
from tasks.certificate_acts import resume_order, wake_orders
from tasks.certificate_forms import CaOrderForm
from tasks.order_certificate import obtain_certificate
from tests.complexes import Servers, given
from tests.work import COMPANY, DAY, MINUTE, NOW, decide, drain, ks, ordered, put_receipt, service_of, state, story


class Moody(LocalCa):
    """A CA that meets the next calls with what `moods` say: an error to raise, a state to answer."""

    def __init__(self, office: Office) -> None:
        super().__init__("local", office.authority, office.authority.root, 90)
        self.moods: list[Exception | Placed] = []
        self.placed = 0

    def place(self, request: Request, *, now: datetime) -> Placed:
        self.placed += 1
        return super().place(request, now=now)

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        if self.moods:
            mood = self.moods.pop(0)
            if isinstance(mood, Exception):
                raise mood
            return mood
        return super().advance(url, request, now=now)


@pytest.fixture
def ca(office: Office) -> Moody:
    made = Moody(office)
    vars(office)["_authorities"] = {"local": made}
    return made


def paid(office: Office, name: str = "A-1") -> str:
    number = ordered(office, name, ks(2), COMPANY)
    put_receipt(office, number, "13989.00", f"B-{name}", NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return number


def certificates(office: Office) -> list[Certificate]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Certificate).order_by(Certificate.id)))


def ca_orders(office: Office) -> list[CaOrderState]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(CaOrder.state).order_by(CaOrder.id)))


PROCESSING = Placed(url="0", state=OrderState.PROCESSING)


def test_a_domain_goes_into_service_with_the_certificate_of_its_ca_and_nobody_is_told(
    office: Office, ca: Moody
) -> None:
    given(office, Servers())
    number = paid(office)
    domain = service_of(office, number).name
    [made] = certificates(office)
    assert (made.state, made.in_service_at) == (CertificateState.IN_SERVICE, NOW + MINUTE)
    assert set(facts_of(made.chain).names) == {domain, f"*.{domain}"}
    assert facts_of(office.certificates.of(domain).chain).fingerprint == made.fingerprint
    with reading(office.sessions) as session:
        site = session.scalars(select(Site)).one()
        assert (site.slug, site.consumers, site.agreement) == (domain, ["complex"], "KS")
        assert not any("certificate" in kind for kind in session.scalars(select(Notice.kind)))
    assert service_of(office, number).state.value == "active"
    assert ca.placed == 1


def test_the_names_are_there_before_the_ca_is_asked_and_the_servers_get_what_it_gave(office: Office, ca: Moody) -> None:
    servers = Servers()
    given(office, servers)
    ca.moods = [Refused("challenge", "no proof at ns1")]
    paid(office)
    assert servers.calls == ["publish_names"]


def test_an_order_waits_for_a_slow_ca_and_goes_on(office: Office, ca: Moody) -> None:
    given(office, Servers())
    ca.moods = [Transient("busy", retry_after=timedelta(hours=2))]
    number = paid(office)
    assert state(office, number) == "inProgress"
    with pytest.raises(Waiting) as waiting:
        obtain_certificate(office, number, now=NOW + 2 * MINUTE)
    assert waiting.value.retry_after is not None
    assert abs(waiting.value.retry_after - (timedelta(hours=2) - MINUTE)) < timedelta(seconds=30)
    drain(office, NOW + timedelta(hours=3))
    assert service_of(office, number).state.value == "active"
    assert ca_orders(office) == [CaOrderState.ISSUED]


def test_a_ca_that_takes_seconds_is_followed_within_the_step(
    office: Office, ca: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(office, Servers())
    clock = [0.0]
    monkeypatch.setattr("tasks.ca_following.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("tasks.ca_following.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    ca.moods = [PROCESSING] * 3
    number = paid(office)
    assert service_of(office, number).state.value == "active"
    assert 6 <= clock[0] <= 20


def test_an_order_is_followed_no_longer_than_patience_allows(
    office: Office, ca: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(office, Servers())
    clock = [0.0]
    monkeypatch.setattr("tasks.ca_following.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("tasks.ca_following.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    ca.moods = [PROCESSING] * 99
    number = paid(office)
    assert state(office, number) == "inProgress"
    assert clock[0] <= 20
    with reading(office.sessions) as session:
        site_id = session.scalars(select(Site.id)).one()
    assert follow(office, site_id, worker="b", now=NOW + DAY, patience=MINUTE) is CaOrderState.PLACED


def test_a_held_ca_order_holds_the_customers_order_once_and_resuming_it_tries_the_ca_again(
    office: Office, ca: Moody
) -> None:
    given(office, Servers())
    ca.moods = [Refused("account", "the account is closed")]
    number = paid(office)
    assert state(office, number) == "held:certificate"
    assert any(
        "local: the account is closed; mend it, then resume the order" in line.why
        for line in story(office, number).lines
    )
    assert "resumed" in decide(office, number, "resume", NOW + 2 * MINUTE)
    drain(office, NOW + 3 * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert ca_orders(office) == [CaOrderState.ISSUED]
    assert ca.placed == 1


def test_a_ca_that_says_no_holds_the_order_and_is_asked_anew_when_it_is_resumed(office: Office, ca: Moody) -> None:
    given(office, Servers())
    ca.moods = [Placed(url="0", state=OrderState.INVALID, problem="not this name")]
    number = paid(office)
    assert state(office, number) == "held:certificate"
    assert any("local: not this name" in line.why for line in story(office, number).lines)
    assert ca_orders(office) == [CaOrderState.REFUSED]
    decide(office, number, "resume", NOW + 2 * MINUTE)
    assert service_of(office, number).state.value == "active"
    assert ca_orders(office) == [CaOrderState.REFUSED, CaOrderState.ISSUED]


def test_a_certificate_that_came_while_the_order_waited_is_taken_by_it(office: Office, ca: Moody) -> None:
    given(office, Servers())
    ca.moods = [Transient("busy", retry_after=timedelta(minutes=10))]
    number = paid(office)
    [due] = due_orders(office.sessions, now=NOW + DAY)
    assert advance(office, due, worker="other", now=NOW + 20 * MINUTE) is CaOrderState.ISSUED
    drain(office, NOW + 21 * MINUTE)
    assert service_of(office, number).state.value == "active"


def test_a_deleted_complex_has_no_site_no_open_ca_order_and_no_key(office: Office, ca: Moody) -> None:
    given(office, Servers())
    ca.moods = [Refused("account", "the account is closed")]
    number = paid(office)
    with reading(office.sessions) as session:
        assert session.scalars(select(CaOrder.sealed_key)).one() is not None
    decide(office, number, "cancel", NOW + 2 * MINUTE)
    assert state(office, number) == "cancelled"
    with reading(office.sessions) as session:
        site = session.scalars(select(Site)).one()
        order = session.scalars(select(CaOrder)).one()
        assert site.retired_at is not None
        assert (order.state, order.open_key, order.sealed_key) == (CaOrderState.CANCELLED, None, None)


def test_without_a_ca_for_customers_the_order_is_held_and_says_what_to_set(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(office, Servers())
    without = office.certificates_at.model_copy(update={"customers": None})
    monkeypatch.setitem(vars(office), "certificates_at", without)
    number = paid(office)
    assert state(office, number) == "held:certificate"
    assert any("customers" in line.why for line in story(office, number).lines)


def test_a_domain_whose_certificates_are_of_hosts_of_ours_gets_neither_them_nor_their_site(
    office: Office, ca: Moody
) -> None:
    given(office, Servers())
    number = ordered(office, "A-1", ks(2), COMPANY)
    domain = f"k000001.{office.settings.customer_domain}"
    with transaction(office.sessions) as session:
        open_site(session, slug=domain, agreement="KS", names=(domain,), authority="local", consumers=("web",), now=NOW)
    put_receipt(office, number, "13989.00", "B-1", NOW + MINUTE)
    drain(office, NOW + MINUTE)
    assert state(office, number) == "held:certificate"
    with reading(office.sessions) as session:
        site = session.scalars(select(Site)).one()
        assert (site.names, site.consumers, site.customer_id) == ([domain], ["web"], None)
    assert ca.placed == 0


def test_an_order_that_waits_is_woken_each_time_its_order_at_the_ca_comes_to_an_end(office: Office, ca: Moody) -> None:
    given(office, Servers())
    ca.moods = [Transient("busy", retry_after=timedelta(hours=2)), Refused("account", "closed")]
    number = paid(office)
    [due] = due_orders(office.sessions, now=NOW + DAY)
    assert advance(office, due, worker="other", now=NOW + timedelta(hours=3)) is CaOrderState.HELD
    assert wake_orders(office, now=NOW + timedelta(hours=3)) == [number]
    assert wake_orders(office, now=NOW + timedelta(hours=3)) == []
    with reading(office.sessions) as session:
        domain = session.scalars(select(Site.slug)).one()
    resume_order(office, CaOrderForm(operator="o@example.net", slug=domain, note="paid"), now=NOW + timedelta(hours=4))
    assert advance(office, due, worker="other", now=NOW + timedelta(hours=4)) is CaOrderState.ISSUED
    assert wake_orders(office, now=NOW + timedelta(hours=4)) == [number]


def test_an_order_that_was_prepared_before_certificates_came_from_a_ca_is_prepared_anew(
    office: Office, ca: Moody
) -> None:
    servers = Servers()
    given(office, servers)
    ca.moods = [Transient("busy", retry_after=timedelta(hours=2))]
    number = paid(office)
    with transaction(office.sessions) as session:
        order = session.scalars(select(Order).where(Order.number == number)).one()
        session.add(Step(order_id=order.id, key=PREPARED, done_at=NOW, result="by the release before"))
    drain(office, NOW + timedelta(hours=3))
    assert service_of(office, number).state.value == "active"
    assert "prepare" in servers.calls
